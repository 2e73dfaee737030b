/* Searchable lists, and the tables of the file, the process and its threads. */

const BATCH = 60;

/* A list with a search field: `rows` are {text(), make()}, each called when it is needed first. Rows with a `heading` stand under it;
 * a row of another `group` goes where `extra` chooses one. */
function searchList(id, columns, rows, hint, extra) {
  const body = h("tbody"), count = h("span", { class: "count", role: "status" }), more = h("button", { type: "button", class: "more" });
  const input = h("input", { type: "search", id: id + "-search", placeholder: t(hint), "aria-label": t("search"), autocomplete: "off", spellcheck: "false" });
  let shown = BATCH, fit = rows;
  const draw = () => {
    put(body, fit.slice(0, shown).map((row, i) => [row.heading && (!i || fit[i - 1].heading !== row.heading) ?
      h("tr", { class: "heading" }, h("td", { colspan: columns.length }, row.heading)) : null, row.element || (row.element = row.make())]));
    if (!fit.length)
      body.append(h("tr", {}, h("td", { colspan: columns.length, class: "quiet" }, t("nothing"))));
    count.textContent = t("found", { n: grouped(fit.length), all: grouped(rows.length) });
    more.hidden = fit.length <= shown;
    more.textContent = t("more", { n: grouped(Math.min(BATCH * 10, fit.length - shown)) });
  };
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean), wanted = extra ? extra.value : "";
    fit = rows.filter(row => (!wanted || row.group === wanted) && words.every(word => (row.words ||= row.text().toLowerCase()).includes(word)));
    shown = BATCH;
    draw();
  };
  input.addEventListener("input", filter);
  if (extra)
    extra.addEventListener("change", filter);
  more.addEventListener("click", () => { shown += BATCH * 10; draw(); });
  draw();
  return [h("div", { class: "tools" }, input, extra, count), h("div", { class: "scroll" },
    h("table", { id: id + "-table" }, h("thead", {}, h("tr", {}, columns.map(column => h("th", { class: column.right ? "right" : null }, t(column.key))))), body)), more];
}

function importRow(lane, module, slot) {
  const find = () => {
    const target = lane.at(slot.to);
    return { target, lands: slot.lands || (target ? target.name + "+" + hex(slot.to - target.base) : slot.to ? "?" : t("unresolved")) };
  };
  return { group: module.name, text: () => [module.name, slot.from, slot.name, find().lands, hex(slot.slot), hex(slot.to)].join(" "), make: () => {
    const { target, lands } = find(), forwarded = target && slot.from && !sameName(target.name, slot.from);
    const row = h("tr", {}, h("td", {}, module.name), h("td", { class: "mono" }, addressHtml(module.base, slot.slot, module.size)), h("td", {}, slot.from), h("td", { class: "name" }, slot.name),
      h("td", { class: "mono" }, target ? addressHtml(target.base, slot.to, target.size) : address(slot.to)), h("td", { class: slot.to ? null : "bad" }, lands, forwarded ? h("span", { class: "tag" }, t("forwarded")) : null));
    return tells(row, () => placeOf(slot.slot, module.name + " · " + slot.from + "!" + slot.name + " → " + lands));
  } };
}

/* The program's own first. */
function importRows(lane) {
  const own = lane.modules.filter(module => sameName(module.name, NAME)), others = lane.modules.filter(module => !own.includes(module));
  return [...own, ...others].flatMap(module => module.slots.map(slot => importRow(lane, module, slot)));
}

function importsSection(lane) {
  const bound = lane && lane.modules.some(module => module.slots.length), file = FILE ? [...(FILE.info.imports || []), ...(FILE.info.delay_imports || [])] : [];
  if (bound) {
    const choice = h("select", { "aria-label": t("c_importer") }, h("option", { value: "" }, t("all_modules")),
      lane.modules.filter(module => module.slots.length).map(module => h("option", { value: module.name }, module.name)));
    const columns = ["c_importer", "c_slot", "c_from", "c_function", "c_target", "c_lands"].map(key => ({ key }));
    return section("imports", t("imports_lead"), searchList("imports", columns, importRows(lane), "search_imports", choice));
  }
  if (!file.length)
    return section("imports", null, h("p", {}, t("no_imports")));
  const base = number(HEADER.image_base), columns = ["c_from", "c_function", "c_hint", "c_slot"].map(key => ({ key }));
  return section("imports", t("imports_lead_file"), searchList("imports", columns, file.map(row => {
    const name = row.function || "#" + row.ordinal, slot = number(row.slot);
    return { text: () => [row.module, name, row.slot].join(" "), make: () => tells(h("tr", {}, h("td", {}, row.module), h("td", { class: "name" }, name),
      h("td", {}, row.hint === null ? "" : row.hint), h("td", { class: "mono" }, row.slot)), () => ({ va: base + slot, rva: slot, offset: offsetAt(slot), words: row.module + "!" + name })) };
  }), "search_imports"));
}

/* ---- process ---- */

const plainTable = (columns, rows) => h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, columns.map(key => h("th", {}, t(key))))),
  h("tbody", {}, rows.map(row => h("tr", {}, row.map(cell => h("td", {}, cell === null || cell === undefined ? "" : cell)))))));
const mono = text => text === null || text === undefined ? null : h("span", { class: "mono" }, text);

function handlesSection(snapshot) {
  const rows = snapshot.handles.map(row => [mono(row.handle), row.type, row.name || "", mono(row.access), t(row.inherit ? "yes" : "no"), t(row.protect ? "yes" : "no")]);
  return section("handles", null, rows.length ? plainTable(["c_handle", "c_type", "c_name", "c_access", "c_inherit", "c_protect"], rows) : h("p", {}, t("no_handles")));
}

function threadCard(thread) {
  const module = view().at(number(thread.start)), order = ["rip", "eip", "rsp", "esp", "rcx", "rdx", "eax", "ebx"];
  const rank = name => order.includes(name) ? order.indexOf(name) : order.length;
  const context = Object.entries(thread.context || {}).sort(([a], [b]) => rank(a) - rank(b));
  const place = value => {
    const at = view().at(Number(value));
    return at ? at.name + "+" + hex(Number(value) - at.base) : "";
  };
  return h("div", { class: "card" }, h("h3", {}, t("thread", { id: thread.id })),
    h("dl", {}, h("dt", {}, t("starts_at")), h("dd", {}, mono(thread.start), " ", h("span", { class: "quiet" }, module ? module.name + "+" + hex(number(thread.start) - module.base) : "")),
      h("dt", {}, "TEB"), h("dd", {}, mono(thread.teb)), h("dt", {}, t("stack_of")), h("dd", {}, mono(thread.stack_limit), "–", mono(thread.stack_base))),
    context.length ? [h("h4", {}, t("context")), h("table", { class: "context" }, h("tbody", {}, context.map(([name, value]) => tells(h("tr", {}, h("th", { class: "mono" }, name.toUpperCase()),
      h("td", { class: "mono" }, address(Number(value))), h("td", { class: "quiet" }, place(value))), () => placeOf(Number(value), name.toUpperCase())))))] : null);
}

function threadsSection(snapshot) {
  return section("threads", t("first_stop"), h("div", { class: "cards" }, snapshot.threads.map(threadCard)));
}

function parametersSection(snapshot) {
  const rows = Object.entries(snapshot.parameters).map(([name, value]) => [name.replace(/_/g, " "), typeof value === "object" && value !== null ?
    h("pre", {}, Array.isArray(value) ? value.join(name === "environment" ? "  " : "\n") : JSON.stringify(value, null, 1)) : mono(String(value))]);
  return section("parameters", null, plainTable(["c_field", "c_value"], rows));
}

/* ---- the file's own tables ---- */

const title = key => key.replace(/_/g, " ").replace(/^./, first => first.toUpperCase());

function recordTable(record) {
  return h("dl", { class: "record" }, Object.entries(record).filter(([, value]) => value !== null).map(([key, value]) =>
    h("div", {}, h("dt", {}, title(key)), h("dd", {}, typeof value === "string" && /^0x/.test(value) ? mono(value) : String(value)))));
}

function anyTable(id, rows) {
  const keys = Object.keys(rows[0]);
  const cell = value => h("td", {}, value === null ? "" : typeof value === "boolean" ? t(value ? "yes" : "no") : typeof value === "string" && /^0x/.test(value) ? mono(value) : String(value));
  const body = h("tbody", {}, rows.slice(0, BATCH).map(row => h("tr", {}, keys.map(key => cell(row[key])))));
  const more = rows.length > BATCH ? h("button", { type: "button", class: "more", onclick: event => {
    rows.slice(BATCH).forEach(row => body.append(h("tr", {}, keys.map(key => cell(row[key])))));
    event.target.remove();
  } }, t("more", { n: grouped(rows.length - BATCH) })) : null;
  return [h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, keys.map(key => h("th", {}, title(key))))), body)), more];
}

function headersSection() {
  const skip = ["schema", "command", "file", "imports", "relocation_pages"];
  const parts = Object.entries(FILE.info).filter(([key, value]) => !skip.includes(key) && value !== null && (!Array.isArray(value) || value.length));
  return section("headers", null, parts.map(([key, value]) => h("details", { open: key === "header" || key === "sections", "data-table": key },
    h("summary", {}, title(key), Array.isArray(value) ? h("span", { class: "quiet" }, " " + grouped(value.length)) : null),
    Array.isArray(value) ? anyTable(key, value) : recordTable(value))));
}

/* ---- events ---- */

function eventsSection() {
  const rows = EVENTS.map(e => ({ text: () => [e.phase, e.verb, e.module, e.name, e.detail, e.address && hex(e.address)].filter(Boolean).join(" "), make: () =>
    tells(h("tr", {}, h("td", { class: "quiet" }, e.phase), h("td", {}, e.verb), h("td", {}, e.module || ""), h("td", { class: "name" }, e.name || ""),
      h("td", { class: "mono" }, e.address ? address(e.address) : ""), h("td", { class: "right mono" }, e.size ? hex(e.size) : ""), h("td", { class: "right" }, e.count || ""), h("td", { class: "mono" }, rightsText(e.rights)),
      h("td", { class: "quiet" }, e.detail || "")), () => placeOf(e.address, e.phase + " " + e.verb)) }));
  const columns = [{ key: "c_phase" }, { key: "c_event" }, { key: "c_module" }, { key: "c_name" }, { key: "c_target" }, { key: "c_size", right: true }, { key: "c_fixups", right: true }, { key: "c_rights" }, { key: "c_detail" }];
  columns[6] = { key: "c_value", right: true };
  return section("events", null, h("details", {}, h("summary", {}, grouped(EVENTS.length) + " " + t("events"), DATA.dropped ? h("span", { class: "quiet" }, " · " + t("dropped", { n: grouped(DATA.dropped) })) : null), searchList("events", columns, rows, "search_events")));
}
