/* Modules as rows in the order of initialisation (first those that have no initialiser to run), with arcs at the left from each one to what it needs. Where the
 * order keeps to the needs, every arc leads upwards; a cycle shows as an arc that leads down. */

const ROW = 30;

function modulesInOrder(lane) {
  return [...lane.modules].sort((a, b) => a.init - b.init || a.load - b.load);
}

function arcsOf(modules) {
  const rows = new Map(modules.map((module, row) => [module.name.toLowerCase(), row])), arcs = [];
  modules.forEach((module, from) => {
    for (const need of module.needs) {
      const to = rows.get(need);
      if (to !== undefined && to !== from)
        arcs.push({ from, to, down: to > from && modules[to].init && module.init, count: module.slots.filter(slot => slot.from && sameName(slot.from, need)).length });
    }
  });
  return arcs;
}

function drawArcs(modules, width) {
  const arcs = arcsOf(modules), height = modules.length * ROW, middle = row => row * ROW + ROW / 2, edge = width - 8;
  const reach = Math.max(1, ...arcs.map(arc => Math.abs(arc.from - arc.to)));
  return s("svg", { width, height, class: "arcs", "aria-hidden": "true" }, arcs.map(arc => {
    const bow = 12 + (width - 26) * Math.sqrt(Math.abs(arc.from - arc.to) / reach), y1 = middle(arc.from), y2 = middle(arc.to);
    const path = s("path", { d: `M${edge},${y1} C${edge - bow * 1.3},${y1} ${edge - bow * 1.3},${y2} ${edge},${y2}`, class: "arc" + (arc.down ? " down" : ""),
                             "data-from": arc.from, "data-to": arc.to, "stroke-width": clamp(0.8 + Math.log(1 + arc.count) / 4, 0.8, 2.6) });
    return path;
  }), modules.map((module, row) => s("circle", { cx: edge, cy: middle(row), r: sameName(module.name, NAME) ? 5 : 3.2, class: "node" + (sameName(module.name, NAME) ? " own" : "") })));
}

function highlight(table, row) {
  table.querySelectorAll(".arc").forEach(arc => {
    arc.classList.toggle("needs", row !== null && Number(arc.dataset.from) === row);
    arc.classList.toggle("needed", row !== null && Number(arc.dataset.to) === row);
  });
  table.classList.toggle("pointed", row !== null);
}

function moduleRow(lane, module, row, width) {
  const delta = module.base - module.preferred;
  return h("tr", { "data-row": row, tabindex: 0 }, row ? null : h("td", { class: "arc-cell", rowspan: lane.modules.length }, drawArcs(modulesInOrder(lane), width)),
    h("td", { class: "right quiet" }, module.init || "·"),
    h("td", { class: "name" }, h("strong", {}, module.name)),
    h("td", {}, addressHtml(module.base, module.base, module.size)), h("td", { class: "right" }, bytesText(module.size)),
    h("td", {}, module.moved ? h("span", { class: "mono" }, (delta < 0 ? "-" : "+") + hex(Math.abs(delta))) : h("span", { class: "quiet" }, t("no"))),
    h("td", { class: "right" }, module.fixups ? grouped(module.fixups) : "·"), h("td", { class: "right" }, module.slots.length ? grouped(module.slots.length) : "·"),
    h("td", { class: "right" }, module.tls ? module.tls.slot : "·"), h("td", { class: "path quiet" }, module.path || ""));
}

function modulesSection(lane) {
  const modules = modulesInOrder(lane), width = clamp(40 + modules.length * 6, 56, innerWidth < 720 ? 64 : 150);
  const heads = ["", "c_init", "c_module", "c_base", "c_size", "c_moved", "c_fixups", "c_slots", "c_tls", "c_path"];
  const table = h("table", { class: "modules" }, h("thead", {}, h("tr", {}, heads.map((key, i) => h("th", { class: [1, 4, 6, 7, 8].includes(i) ? "right" : null }, key ? t(key) : "")))),
    h("tbody", {}, modules.map((module, row) => {
      const tr = moduleRow(lane, module, row, width), names = list => list.map(one => one.name).join(", ");
      const needs = modules.filter(other => other !== module && module.needs.has(other.name.toLowerCase())), needed = modules.filter(other => other !== module && other.needs.has(module.name.toLowerCase()));
      const tell = () => {
        highlight(table, row);
        tellPlace({ va: module.base, rva: 0, offset: 0, words: module.name + (needs.length ? " · " + t("needs") + " " + names(needs) : "") + (needed.length ? " · " + t("needed_by") + " " + names(needed) : "") });
      };
      tr.addEventListener("pointerenter", tell);
      tr.addEventListener("focus", tell);
      return tr;
    })));
  table.addEventListener("pointerleave", () => highlight(table, null));
  roving([...table.querySelectorAll("tbody tr")]);
  return section("modules", t(modules.some(module => module.init) ? "modules_lead" : "modules_lead_load"), h("div", { class: "scroll" }, table));
}

/* ---- relocations by page ---- */

/* Only pages with fix-ups are elements of their own: a large module has thousands of others. */
function heatCells(size, pages, applied, base, width) {
  const count = Math.ceil(size / 4096), cell = count <= 128 ? 16 : count <= 1500 ? 12 : 9, per = Math.floor(width / cell), lines = Math.ceil(count / per);
  const counts = new Map(pages.map(page => [Math.floor(page.rva / 4096), page.count])), most = Math.max(...pages.map(page => page.count), 1), rest = count - (lines - 1) * per;
  const svg = s("svg", { width, height: lines * cell, viewBox: `0 0 ${width} ${lines * cell}`, class: "pages", role: "img",
                         "aria-label": t("heat", { pages: pages.length, fixups: pages.reduce((sum, page) => sum + page.count, 0) }) },
    s("path", { class: "page blank", d: `M0,0 H${Math.min(count, per) * cell} V${(lines - (rest < per ? 1 : 0)) * cell} H${rest * cell} V${lines * cell} H0 Z` }));
  for (const [page, fixups] of counts) {
    const rect = s("rect", { x: (page % per) * cell + 0.5, y: Math.floor(page / per) * cell + 0.5, width: cell - 1, height: cell - 1, class: applied ? "page" : "page would" });
    if (applied)
      rect.style.fillOpacity = 0.2 + 0.8 * Math.sqrt(fixups / most);
    svg.append(rect);
  }
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect(), scale = width / box.width, page = Math.floor((event.clientY - box.top) * scale / cell) * per + Math.floor((event.clientX - box.left) * scale / cell);
    if (page < count)
      tellPlace({ ...placeOf(base + page * 4096), va: base + page * 4096, rva: page * 4096, words: t("c_page") + " " + hex(page * 4096) + " · " + t("c_fixups") + " " + (counts.get(page) || 0) });
  });
  return svg;
}

function relocationsSection(lane) {
  const blocks = [], width = clamp(($("main").clientWidth || 800) - 8, 280, 1152);
  for (const module of lane ? lane.modules : [])
    if (module.moved && module.pages.length)
      blocks.push({ name: module.name, size: module.size, base: module.base, applied: true, delta: module.base - module.preferred,
                    pages: module.pages.map(page => ({ rva: page.address - module.base, count: page.count })) });
  const own = FILE ? (FILE.info.relocation_pages || []).map(page => ({ rva: number(page.page), count: page.fixups })) : [];
  if (own.length && !blocks.some(block => sameName(block.name, NAME)))
    blocks.unshift({ name: NAME, size: number(HEADER.size_of_image), base: partsOfFile().base, applied: false, pages: own });
  return section("relocations", t("relocations_lead"), blocks.length ? blocks.map(block => h("div", { class: "block" },
    h("h3", {}, block.name, " ", h("span", { class: "quiet" }, t("heat", { pages: grouped(block.pages.length), fixups: grouped(block.pages.reduce((sum, page) => sum + page.count, 0)) }) + " · " +
      (block.applied ? t("moved_by", { delta: (block.delta < 0 ? "-" : "+") + hex(Math.abs(block.delta)) }) : t("not_applied")))),
    heatCells(block.size, block.pages, block.applied, block.base, width))) : h("p", {}, t("no_relocations")));
}
