/* The page's one object, turned into what is drawn. Every number that came as "0x..." is a number from here on; a user
 * address has at most 47 bits, and what a hostile header claims beyond 2^53 keeps its text. */
const DATA = JSON.parse(document.getElementById("data").textContent);

const number = value => value === null || value === undefined ? null : typeof value === "string" ? Number(value) : value;
const hex = (value, digits) => value === null || value === undefined ? "" : typeof value === "string" ? value :
  "0x" + value.toString(16).padStart(digits || 1, "0");
const grouped = value => String(value).replace(/\B(?=(\d{3})+$)/g, ",");
const baseName = path => path ? path.replace(/^.*[\/\\]/, "") : "";
const sameName = (a, b) => a.toLowerCase() === b.toLowerCase();

function bytesText(size) {
  if (size < 1024)
    return size + " B";
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let unit = -1;
  do { size /= 1024; unit++; } while (size >= 1024 && unit < 3);
  return (size >= 100 || size === Math.floor(size) ? Math.round(size) : size.toFixed(1)) + " " + units[unit];
}

const RIGHT_WRITE = 2, RIGHT_EXECUTE = 4, RIGHT_GUARD = 16;
const rightsText = bits => bits === null || bits < 0 ? "" : (bits & 1 ? "R" : "-") + (bits & 2 ? "W" : "-") + (bits & 4 ? "X" : "-") + (bits & 16 ? " G" : "");
const rightsOf = text => !text ? 0 : (/R/.test(text) ? 1 : 0) | (/W|C/.test(text) ? 2 : 0) | (/X/.test(text) ? 4 : 0) | (/G/.test(text) ? 16 : 0);

/* ---- events ---- */

function eventsOf(data) {
  const strings = data.strings;
  return (data.events || []).map((row, index) => ({
    index, phase: data.phase_names[row[0] || 0], verb: strings[row[1] || 0], module: strings[row[2] || 0], address: number(row[3] || 0), size: number(row[4] || 0),
    name: strings[row[5] || 0], count: number(row[6] || 0), from: number(row[7] || 0), detail: strings[row[8] || 0], thread: row[9] || 0,
    rights: (row[10] || 0) - 1,
  }));
}

const REGION_TYPES = ["free", "image", "mapped", "private"];

function phasesOf(data) {
  const strings = data.strings;
  return (data.phases || []).map(phase => ({
    name: phase.name, first: phase.first, last: phase.last, at: phase.at,
    regions: phase.regions.map(row => ({ base: row[0], size: row[1], allocation: row[2], type: REGION_TYPES[row[3]], committed: !!row[4], rights: row[5],
                                         use: strings[row[6]], section: strings[row[7]] })),
  }));
}

function newModule(name) {
  return { name, path: null, base: null, size: 0, preferred: null, moved: false, why: null, fixups: 0, pages: [], parts: [], slots: [], needs: new Set(),
           tls: null, init: 0, load: 0, entry: null, count: null };
}

/* Modules as the events tell them: a module begins with its placing. */
function modulesOfEvents(events) {
  const modules = [], byName = new Map(), paths = new Map();
  const steps = {
    open: e => { if (e.name) paths.set(e.module.toLowerCase(), e.name); },
    place: (e, get) => {
      if (e.verb === "placed" || e.verb === "moved")
        Object.assign(get(true), { base: e.address, size: e.size, preferred: e.from, moved: e.verb === "moved" });
      if (e.verb === "moved")
        get().why = e.detail;
    },
    fill: (e, get) => {
      if (e.rights >= 0 && get())
        get().parts.push({ base: e.address, size: e.size, offset: e.from, bytes: e.count, verb: e.verb, section: e.name || "", rights: e.rights });
    },
    relocate: (e, get) => {
      if (e.verb === "page" && get())
        get().pages.push({ address: e.address, count: e.count });
      if (e.verb === "relocated" && get())
        get().fixups = e.count;
    },
    bind: (e, get) => {
      if ((e.verb === "bound" || e.verb === "missing") && get()) {
        get().slots.push({ slot: e.from, to: e.address, name: e.name, from: e.detail });
        get().needs.add(e.detail.toLowerCase());
      }
    },
    tls: (e, get) => { if (get()) get().tls = { slot: e.count, size: e.size, data: e.address }; },
    init: (e, get) => {
      if (e.verb === "attach" && get() && !get().init)
        Object.assign(get(), { init: e.count, entry: e.address });
    },
    start: (e, get) => { if (e.verb === "thread" && get()) get().entry = e.address; },
  };
  for (const e of events) {
    if (!e.module || !steps[e.phase])
      continue;
    const key = e.module.toLowerCase();
    steps[e.phase](e, create => {
      let module = byName.get(key);
      if (!module && create) {
        module = newModule(e.module);
        module.path = paths.get(key) || null;
        module.load = modules.push(module);
        byName.set(key, module);
      }
      return module;
    });
  }
  return modules;
}

/* ---- snapshots ---- */

function modulesOfSnapshot(snapshot) {
  return (snapshot.modules || []).map((from, index) => {
    const module = newModule(from.name), relocations = from.relocations || {};
    const place = order => typeof order === "number" && order >= 0 ? order : null;
    Object.assign(module, { path: from.path, base: number(from.base), size: from.size, preferred: number(from.preferred), moved: !!from.moved,
                            fixups: relocations.applied === false ? 0 : relocations.count || 0, entry: number(from.entry), count: from.load_count,
                            load: (place(from.load_order) ?? index) + 1, init: place(from.init_order) === null ? 0 : from.init_order + 1 });
    if (typeof from.tls_index === "number" && from.tls_index >= 0)
      module.tls = { slot: from.tls_index, size: null };
    for (const section of from.sections || [])
      module.parts.push({ base: module.base + number(section.rva), size: number(section.size), section: section.name, rights: rightsOf(section.rights), verb: "raw",
                          offset: number(section.raw_offset), bytes: section.raw_size });
    if (from.relocations)
      for (const page of from.relocations.by_page || [])
        module.pages.push({ address: module.base + number(page.rva), count: page.count });
    for (const exporter of from.imports || [])
      for (const [name, slot, value, lands, as] of exporter.functions || []) {
        const target = lands === undefined ? exporter.module : lands;
        module.slots.push({ slot: module.base + number(slot), to: number(value), name, from: exporter.module, lands: lands === "" ? null : target + "!" + (as || name) });
        module.needs.add((target || exporter.module).toLowerCase());
      }
    return module;
  });
}

/* Where the machine does not say what was allocated together, neighbours of one module, or of one use, are. */
function regionsOfSnapshot(snapshot) {
  const bases = new Map((snapshot.modules || []).map(module => [module.name, number(module.base)])), regions = [];
  for (const from of snapshot.regions || []) {
    const base = number(from.base), size = from.size, last = regions[regions.length - 1], use = from.module || from.use;
    const alike = last && last.base + last.size === base && last.use === use && (use || last.committed === (from.state === "commit"));
    const allocation = number(from.allocation_base) ?? (from.module ? bases.get(from.module) : alike ? last.allocation : base);
    regions.push({ base, size, allocation, type: from.type || "private", committed: from.state === "commit",
                   rights: rightsOf(from.rights) | (from.guard ? RIGHT_GUARD : 0), use, section: from.module && from.use !== from.module ? from.use : null });
  }
  return regions;
}

/* ---- one lane's view, and the page's subject ---- */

/* What of a list with base and size holds an address. */
function finderOf(list) {
  const sorted = [...list].sort((a, b) => a.base - b.base);
  return address => {
    let low = 0, high = sorted.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1, one = sorted[middle];
      if (address < one.base) high = middle - 1;
      else if (address >= one.base + one.size) low = middle + 1;
      else return one;
    }
    return null;
  };
}

const viewOf = (lane, phases, modules, snapshot) => ({ lane, phases, modules, snapshot, at: finderOf(modules) });

function viewsOf(data) {
  const views = [], snapshots = data.snapshots || [];
  if (data.events)
    views.push(viewOf(data.lane, phasesOf(data), modulesOfEvents(EVENTS), snapshots[0] || null));
  else
    for (const snapshot of snapshots)
      views.push(viewOf(snapshot.lane, [{ name: "started", regions: regionsOfSnapshot(snapshot) }], modulesOfSnapshot(snapshot), snapshot));
  return views;
}

const EVENTS = eventsOf(DATA);
const VIEWS = viewsOf(DATA);
const FILE = DATA.file || null;
const HEADER = FILE ? FILE.info.header : null;
const NAME = baseName(DATA.program || "");
const DIGITS = HEADER && HEADER.format === "PE32" ? 8 : 16;
const view = () => VIEWS[state.lane] || null;
const programOf = lane => lane ? lane.modules.find(module => sameName(module.name, NAME)) || null : null;
const address = value => hex(value, DIGITS);

/* The steps that can be shown: those of the run, or, where nothing was run, those that the plan foretells. */
const STEPS = DATA.events ? VIEWS[0].phases.map(phase => phase.name) : VIEWS.length ? [] : ["file", "placed", "filled", "protected"];
const stepName = () => STEPS[state.step] || (VIEWS.length ? "started" : "protected");
const STEP_ORDER = ["file", "placed", "filled", "relocated", "bound", "tls", "protected", "started", "ended"];
const reached = name => STEP_ORDER.indexOf(stepName()) >= STEP_ORDER.indexOf(name);

/* The parts of the two ladders; addresses at the base that the image really has. */
let partsCache = null;
function partsOfFile() {
  if (partsCache)
    return partsCache;
  const program = programOf(view()), preferred = HEADER ? number(HEADER.image_base) : 0;
  const base = program && program.base !== null ? program.base : preferred;
  return partsCache = { base, size: FILE.map.image.size_of_image, bytes: FILE.map.image.file_size, rows: FILE.map.parts.map(part => ({
    kind: part.kind, name: part.name || "", offset: number(part.offset), bytes: part.bytes, rva: number(part.rva), size: part.size, tail: part.tail || 0,
    rights: rightsOf(part.rights), mappable: part.mappable, use: part.use || "" })) };
}
