/* Puts the page together, and hears keys, language, theme and window. */

const remember = { get: key => { try { return localStorage.getItem("peload-" + key); } catch { return null; } },
                   set: (key, value) => { try { localStorage.setItem("peload-" + key, value); } catch { /* a page in a file may have no memory */ } } };

function choiceOf(id, current, options, choose) {
  put($(id), options.map(([value, text, language]) => h("button", { type: "button", "data-value": value, lang: language, "aria-pressed": String(value === current), onclick: () => choose(value) }, text)));
  $(id).setAttribute("aria-label", t(id));
}

function setLanguage(language) {
  state.language = language;
  remember.set("language", language);
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  render();
}

function setTheme(theme) {
  state.theme = theme;
  remember.set("theme", theme);
  if (theme === "auto")
    document.documentElement.removeAttribute("data-theme");
  else
    document.documentElement.dataset.theme = theme;
  renderControls();
}

function renderControls() {
  choiceOf("language", state.language, [["en", "English", "en"], ["zh", "中文", "zh-CN"]], setLanguage);
  choiceOf("theme", state.theme, ["auto", "light", "dark"].map(value => [value, t(value)]), setTheme);
}

function summaryText() {
  const words = [], lane = VIEWS[0], process = lane && lane.snapshot && lane.snapshot.process;
  if (HEADER)
    words.push(t("for_machine", { format: HEADER.format, machine: HEADER.machine }), HEADER.kind === "DLL" ? t("dll") : t("program") + " (" + HEADER.subsystem + ")");
  if (VIEWS.length)
    words.push(VIEWS.map(one => t("lane_word", { lane: one.lane })).join(" / "));
  if (process && process.id)
    words.push(t("process", { id: process.id }));
  if (DATA.exit)
    words.push(t("exit_code", { code: exitText(DATA.exit.code) }));
  else if (DATA.refused)
    words.push(t("was_refused"));
  else if (DATA.events)
    words.push(t("still"));
  return words.join(" · ");
}

/* The three states of the lesson: a file, its image, a process. */
function statesDrawn() {
  if (!HEADER)
    return null;
  const lane = VIEWS[0], program = programOf(lane), started = STEPS.includes("started"), base = program ? program.base : number(HEADER.image_base);
  const item = (name, big, small, there) => h("li", { class: there ? "there" : "not" }, h("span", { class: "state" }, t("overview_" + name)), h("span", { class: "big mono" }, big), h("span", { class: "quiet" }, small));
  const sum = lane && lane.phases.length ? lane.modules.length + " " + t("modules").toLowerCase() : "";
  return h("ol", { class: "states" }, item("file", bytesText(HEADER.file_size), t("on_disk"), true),
    h("li", { class: "way", "aria-hidden": "true" }, t("stretch"), h("span", {}, "→")), item("image", bytesText(number(HEADER.size_of_image)), address(base), true),
    h("li", { class: "way", "aria-hidden": "true" }, t("start"), h("span", {}, "→")),
    item("process", started || !DATA.events && VIEWS.length ? sum : "—", started || !DATA.events && VIEWS.length ? t("alive") : t("planned"), started || !DATA.events && VIEWS.length > 0));
}

function laneChoice() {
  if (VIEWS.length < 2)
    return null;
  return h("div", { class: "choice lanes", role: "group" }, VIEWS.map((lane, index) => h("button", { type: "button", "aria-pressed": String(index === state.lane), onclick: () => { state.lane = index; render(); } }, lane.lane)));
}

function render() {
  const lane = view(), snapshot = lane && lane.snapshot, parts = [];
  partsCache = null;
  document.querySelectorAll("[data-t]").forEach(element => { element.textContent = t(element.dataset.t); });
  $("name").textContent = NAME || "peload";
  $("summary").textContent = summaryText();
  renderControls();
  renderStepper();
  if (DATA.comparison)
    parts.push(() => differencesSection(DATA.comparison));
  if (FILE)
    parts.push(() => section("layout", t("layout_lead"), layoutLegend(), h("div", { id: "ladders" })));
  if (lane && lane.phases.length)
    parts.push(() => section("space", t("space_lead"), spaceLegend(), h("div", { id: "space-picture" }), h("div", { id: "space-table", class: "scroll" })));
  if (lane && lane.modules.length)
    parts.push(() => modulesSection(lane));
  if (lane && lane.modules.length || FILE)
    parts.push(() => importsSection(lane));
  if (FILE || lane && lane.modules.some(module => module.pages.length))
    parts.push(() => relocationsSection(lane));
  if (snapshot && snapshot.threads)
    parts.push(() => threadsSection(snapshot));
  if (snapshot && snapshot.handles)
    parts.push(() => handlesSection(snapshot));
  if (snapshot && snapshot.parameters)
    parts.push(() => parametersSection(snapshot));
  if (FILE)
    parts.push(headersSection);
  if (EVENTS.length)
    parts.push(eventsSection);
  const sections = parts.map(make => make());
  put($("contents"), sections.map(one => h("a", { href: "#" + one.id }, t(one.id))), laneChoice());
  put($("main"), statesDrawn(), stepsPrinted(), sections, h("footer", {}, h("p", {}, t("keys")), h("p", {}, t("made_by", { version: DATA.version }))));
  renderStep();
  tellPlace(null);
}

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName))
    return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    goTo(state.step + (event.key === "ArrowRight" ? 1 : -1));
    event.preventDefault();
  } else if (event.key === "/") {
    const search = $("imports-search");
    if (search) {
      search.focus();
      event.preventDefault();
    }
  }
});

/* Pictures are drawn for the width at hand. */
let drawnWidth = 0, waiting = 0;
function resized() {
  if (innerWidth === drawnWidth)
    return;
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => { drawnWidth = innerWidth; render(); });
}
addEventListener("resize", resized);

/* "#lang=zh&theme=dark&step=bound" chooses from outside; else what was chosen last, else what the browser prefers. */
function begin() {
  const asked = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : ""), preferred = remember.get("language") || (navigator.language || "en").slice(0, 2);
  state.language = (asked.get("lang") || preferred) === "zh" ? "zh" : "en";
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  const theme = asked.get("theme") || remember.get("theme");
  state.theme = ["light", "dark"].includes(theme) ? theme : "auto";
  if (state.theme !== "auto")
    document.documentElement.dataset.theme = state.theme;
  const step = STEPS.indexOf(asked.get("step"));
  state.step = step >= 0 ? step : Math.max(0, STEPS.length - 1);
  const program = programOf(VIEWS[0]);
  if (program)
    opened.add(program.base);
  drawnWidth = innerWidth;
  render();
  const place = asked.get("at") && $(asked.get("at"));
  if (place)
    place.scrollIntoView();
}
begin();
