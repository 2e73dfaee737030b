/* Elements, and the few things that every picture needs. Text goes into text nodes only. */
const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const name in attributes || {}) {
    const value = attributes[name];
    if (value === null || value === undefined || value === false)
      continue;
    if (name.startsWith("on"))
      element.addEventListener(name.slice(2), value);
    else
      element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity))
    if (child !== null && child !== undefined && child !== false)
      element.append(child);
  return element;
}
const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);
const $ = id => document.getElementById(id);
const log2 = value => Math.log(value) / Math.LN2;
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

function put(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

/* What a stretch of memory is, for its colour: executable outranks every other kind. */
function kindOf(region) {
  const use = region.use || "";
  if (region.committed && region.rights & RIGHT_EXECUTE)
    return "executable";
  if (!region.committed)
    return "none";
  if (region.type === "image")
    return region.rights & RIGHT_WRITE ? "image_written" : "image";
  if (region.type === "mapped")
    return "mapped_file";
  return /stack/i.test(use) ? "stack" : /heap/i.test(use) ? "heap" : /KUSER|shared/i.test(use) ? "shareable" : "private";
}
const KINDS = ["executable", "image", "image_written", "mapped_file", "private", "heap", "stack", "shareable", "none"];

/* A VA whose base digits are greyed, so that the RVA is what one reads; where base and RVA share digits it cannot be read
 * out of it, and nothing is greyed. Leading zeros can be left out where there is no room. */
function addressParts(base, va, size) {
  const text = address(va), zeros = text.slice(2).match(/^0*/)[0].length;
  let cut = text.length, rest = base;
  for (; cut > 2 && rest % 16 === 0; rest = Math.floor(rest / 16))
    cut--;
  const reads = base > 0 && Math.max(va - base + 1, size || 0) <= Math.pow(16, text.length - cut);
  const lead = Math.min(zeros, text.length - 3);
  return [["zeros base", text.slice(2, 2 + lead)], ["base", reads ? text.slice(2 + lead, cut) : ""], [reads ? "va" : "plain", reads ? text.slice(cut) : text.slice(2 + lead)]];
}
const addressSvg = (base, va, size, short) => [s("tspan", { class: "base" }, "0x"), addressParts(base, va, size).map(([kind, text]) => text && !(short && kind === "zeros base") ? s("tspan", { class: kind }, text) : null)];
const addressHtml = (base, va, size) => h("span", { class: "mono" }, h("span", { class: "base" }, "0x"), addressParts(base, va, size).map(([kind, text]) => text ? h("span", { class: kind }, text) : null));

function section(id, lead, ...children) {
  return h("section", { id, "aria-labelledby": id + "-head" }, h("h2", { id: id + "-head" }, t(id)), lead ? h("p", { class: "lead" }, lead) : null, children);
}

/* A stipple for zero fill and hatching for what is reserved; ids are unique per picture. */
function patterns(id) {
  return s("defs", {},
    s("pattern", { id: id + "-dots", width: 6, height: 6, patternUnits: "userSpaceOnUse" },
      s("circle", { cx: 1.5, cy: 1.5, r: 0.9, class: "dot" }), s("circle", { cx: 4.5, cy: 4.5, r: 0.9, class: "dot" })),
    s("pattern", { id: id + "-hatch", width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      s("line", { x1: 0, y1: 0, x2: 0, y2: 7, class: "hatch" })));
}

/* ---- the line at the foot of the page that tells VA, RVA and file offset together ---- */

function offsetAt(rva) {
  if (!FILE)
    return null;
  for (const row of partsOfFile().rows)
    if (row.rva !== null && rva >= row.rva && rva < row.rva + Math.min(row.bytes, row.size))
      return row.offset + (rva - row.rva);
  return null;
}

/* What is told: va, rva and offset as far as they exist, and words. */
function tellPlace(place) {
  const element = $("place");
  if (!place)
    return put(element, h("span", { class: "hint" }, t("place_hint")));
  const item = (kind, value) => h("span", { class: "reading" }, h("span", { class: "key" }, t(kind)), " ",
    h("span", { class: "mono " + kind }, value === null || value === undefined ? "—" : value));
  return put(element, item("va", place.va === null || place.va === undefined ? null : address(place.va)),
    item("rva", place.rva === null || place.rva === undefined ? null : hex(place.rva)),
    item("offset", place.offset === null || place.offset === undefined ? null : hex(place.offset)),
    h("span", { class: "words" }, place.words || ""));
}

/* The place of an address of this process: in its module, and in the file where that is the page's own. */
function placeOf(va, words, lane = view()) {
  const module = lane ? lane.at(va) : null;
  const rva = module ? va - module.base : null;
  const own = module && sameName(module.name, NAME);
  const section = module ? module.parts.filter(part => va >= part.base && va < part.base + part.size).pop() : null;
  let offset = own ? offsetAt(rva) : null;
  if (module && !own && section && section.bytes && va - section.base < section.bytes)
    offset = section.offset + (va - section.base);
  return { va, rva, offset, words: words || (module ? module.name + (section && section.section ? " " + section.section : "") : "") };
}

/* Lets an element tell its place when it is pointed at or focused. */
function tells(element, place) {
  const tell = () => tellPlace(place());
  element.addEventListener("pointerenter", tell);
  element.addEventListener("focus", tell);
  return element;
}

/* One element of a picture is reached by Tab, the others from it by the arrow keys. */
function roving(elements) {
  elements.forEach((element, index) => {
    element.setAttribute("tabindex", index ? -1 : 0);
    element.addEventListener("keydown", event => {
      const way = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      const to = way ? elements[index + way] : event.key === "Home" ? elements[0] : event.key === "End" ? elements[elements.length - 1] : null;
      if (!way && !to)
        return;
      event.preventDefault();
      event.stopPropagation();
      if (to)
        to.focus();
    });
  });
}
