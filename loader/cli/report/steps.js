/* The slider: one stop for each step that the program went through, and a sentence about it. */

/* The events of a step; those of the program alone, or of all modules. */
function stepEvents(name) {
  const phase = VIEWS.length && DATA.events ? VIEWS[0].phases.find(one => one.name === name) : null;
  return phase ? EVENTS.slice(phase.first, phase.last) : [];
}

function fillCounts() {
  const verbs = { mapped: 0, copied: 0, zero: 0 };
  if (DATA.events)
    stepEvents("filled").forEach(e => { if (e.phase === "fill" && e.verb in verbs && sameName(e.module, NAME)) verbs[e.verb]++; });
  else
    FILE.map.parts.forEach(part => {
      if (part.kind === "zero") verbs.zero++;
      else if (part.bytes && part.kind !== "unmapped") verbs[part.mappable ? "mapped" : "copied"]++;
    });
  return verbs;
}

function stepSentence(name) {
  const program = programOf(VIEWS[0]), start = EVENTS.find(e => e.phase === "start" && e.verb === "thread");
  const base = program ? program.base : number(HEADER.image_base), size = number(HEADER.size_of_image);
  switch (name) {
  case "file": return t("say_file", { name: NAME, bytes: grouped(HEADER.file_size), sections: HEADER.sections });
  case "placed":
    return program && program.moved ? t("say_moved", { preferred: address(program.preferred), size: bytesText(size), base: address(base) })
                                    : t("say_placed", { size: bytesText(size), base: address(base) });
  case "filled": return t("say_filled", fillCounts());
  case "relocated": {
    if (!program || !program.moved)
      return t("say_stays");
    const delta = program.base - program.preferred;
    return t("say_relocated", { fixups: grouped(program.fixups), pages: grouped(program.pages.length), delta: (delta < 0 ? "-" : "+") + hex(Math.abs(delta)) });
  }
  case "bound": {
    const dlls = stepEvents("bound").filter(e => e.phase === "place" && (e.verb === "placed" || e.verb === "moved")).length;
    return t("say_bound", { dlls, slots: program ? grouped(program.slots.length) : 0 });
  }
  case "tls": return program && program.tls ? t("say_tls", { slot: program.tls.slot, size: bytesText(program.tls.size) }) : t("say_no_tls");
  case "protected": return t("say_protected");
  case "started": return t("say_started", { entry: start ? address(start.address) : "?" }) + (DATA.exit ? "" : " " + t("say_running"));
  default: return t("say_ended", { code: DATA.exit ? exitText(DATA.exit.code) : "?" });
  }
}

const exitText = code => code + (code > 255 ? " (" + hex(code, 8) + ")" : "");

function goTo(step) {
  const to = clamp(step, 0, STEPS.length - 1);
  if (to === state.step)
    return;
  state.step = to;
  renderStep();
}

function renderStepper() {
  const element = $("stepper");
  if (element.hidden = !STEPS.length)
    return;
  const last = STEPS.length - 1;
  const slider = h("input", { type: "range", id: "slider", min: 0, max: last, step: 1, value: state.step, "aria-label": t("stepper"),
                              oninput: event => goTo(Number(event.target.value)) });
  const stops = STEPS.map((name, index) => h("button", { type: "button", class: "stop", "data-step": name, onclick: () => goTo(index) },
    h("span", { class: "number" }, STEP_ORDER.indexOf(name) + 1), h("span", { class: "word" }, t(name))));
  put(element, h("div", { class: "track" }, h("div", { class: "rail" }, slider), h("div", { class: "stops" }, stops)),
    h("div", { class: "telling" },
      h("button", { type: "button", class: "arrow", "aria-label": t("previous"), onclick: () => goTo(state.step - 1) }, "‹"),
      h("p", { id: "sentence", "aria-live": "polite" }),
      h("button", { type: "button", class: "arrow", "aria-label": t("next"), onclick: () => goTo(state.step + 1) }, "›")));
  element.style.setProperty("--stops", STEPS.length);
}

/* What changes when the slider moves. */
function renderStep() {
  const name = stepName(), slider = $("slider");
  if (slider) {
    slider.value = state.step;
    slider.setAttribute("aria-valuetext", (STEP_ORDER.indexOf(name) + 1) + " " + t(name));
    document.querySelectorAll(".stop").forEach((stop, index) => {
      stop.classList.toggle("done", index < state.step);
      stop.toggleAttribute("aria-current", index === state.step);
    });
    const refused = DATA.refused && state.step === STEPS.length - 1;
    put($("sentence"), h("strong", {}, t(name)), " ", stepSentence(name), DATA.events ? null : " (" + t("planned") + ")",
      refused ? h("span", { class: "bad" }, " " + t("say_refused", { text: refusedText() })) : null);
  }
  if (FILE)
    renderLadders();
  if (view() && view().phases.length)
    renderSpace();
}

function refusedText() {
  const refused = DATA.refused;
  return [refused.module, refused.symbol && "!" + refused.symbol, refused.module || refused.symbol ? ": " : "", refused.text,
          refused.needed_by ? " (" + t("needed_by") + " " + refused.needed_by + ")" : "", " " + refused.ntstatus].filter(Boolean).join("");
}

/* Every step as a sentence: what paper has in the slider's place. */
function stepsPrinted() {
  if (!STEPS.length)
    return null;
  return h("ol", { class: "printed" }, STEPS.map(name => h("li", { value: STEP_ORDER.indexOf(name) + 1 }, h("strong", {}, t(name)), " ", stepSentence(name))));
}
