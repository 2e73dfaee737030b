/* The address space at one step: a bar with free space squeezed, the same true to scale beneath it, and a table. */

const opened = new Set(); /* allocations whose parts are shown */

/* Regions of one allocation stand together; neighbours that are alike are one. */
function allocationsOf(regions) {
  const groups = [];
  for (const region of regions) {
    const last = groups[groups.length - 1];
    if (last && last.allocation === region.allocation)
      last.regions.push(region);
    else
      groups.push({ allocation: region.allocation, base: region.base, regions: [region] });
  }
  for (const group of groups) {
    const last = group.regions[group.regions.length - 1];
    group.end = last.base + last.size;
    group.size = group.end - group.base;
    group.use = [...new Set(group.regions.map(region => region.use).filter(Boolean))].join(", ");
    group.runs = runsOf(group.regions);
    group.chief = group.runs.find(run => run.committed) || group.runs[0];
  }
  return groups;
}

function runsOf(regions) {
  const runs = [];
  for (const region of regions) {
    const last = runs[runs.length - 1];
    if (last && last.base + last.size === region.base && last.rights === region.rights && last.committed === region.committed && last.use === region.use) {
      last.size += region.size;
      if (region.section) last.sections.push(region.section);
    } else
      runs.push({ ...region, sections: region.section ? [region.section] : [] });
  }
  return runs;
}

/* Sections with a name of digits hold debug data: counted, not spelt. */
function sectionsText(sections) {
  const spelt = sections.filter(name => !/^\/\d/.test(name)), others = sections.length - spelt.length;
  return spelt.join(" ") + (others ? (spelt.length ? " +" : "+") + others : "");
}

/* What became of each stretch since the step before. */
function changesOf(before, regions) {
  const marks = new Map();
  if (!before)
    return marks;
  const beforeAt = finderOf(before);
  for (const region of regions) {
    const was = beforeAt(region.base);
    if (!was)
      marks.set(region.base, { kind: "new" });
    else if (was.rights !== region.rights || was.committed !== region.committed || was.section !== region.section)
      marks.set(region.base, { kind: "changed", was });
  }
  return marks;
}

const pieceWidth = group => 4 + 3 * Math.max(0, log2(group.size / 4096));

/* ---- the bars ---- */

function drawSpaceBar(lane, groups, width, limit) {
  const barTop = 4, barHeight = 44, scaleTop = 92, scaleHeight = 12, jag = 9;
  const gaps = groups.map((group, i) => group.base - (i ? groups[i - 1].end : 0)).map(size => size > 65536);
  const wanted = groups.reduce((sum, group) => sum + pieceWidth(group), 0), jags = (gaps.filter(Boolean).length + 1) * jag;
  const unit = Math.max(0.2, (width - jags) / wanted), svg = s("svg", { width, height: scaleTop + scaleHeight + 22, viewBox: `0 0 ${width} ${scaleTop + scaleHeight + 22}`, class: "space", role: "group", "aria-label": t("space") }, patterns("space"));
  let x = 0;
  const jagged = at => s("path", { class: "jag", d: `M${at + 2},${barTop} l3,6 l-4,6 l4,6 l-4,6 l4,6 l-4,6 l4,8` });
  groups.forEach((group, i) => {
    if (gaps[i]) { svg.append(jagged(x)); x += jag; }
    const wide = pieceWidth(group) * unit, g = s("g", { class: "piece", role: "img", "aria-label": address(group.base) + " " + group.use, onclick: () => showAllocation(lane, group) });
    const total = group.runs.reduce((sum, run) => sum + pieceWidth(run), 0);
    let at = x;
    for (const run of group.runs) {
      const part = wide * pieceWidth(run) / total;
      g.append(s("rect", { x: at, y: barTop, width: Math.max(0.5, part), height: barHeight, class: "cell " + kindOf(run) }));
      at += part;
    }
    g.append(s("rect", { x, y: barTop, width: wide, height: barHeight, class: "frame" }));
    if (wide > 46 && group.use)
      g.append(s("text", { x: x + 4, y: barTop + barHeight + 14, class: "small" }, clip(group.use, Math.floor(wide / 6.3))));
    const real = width * group.base / limit, realWidth = Math.max(1, width * group.size / limit);
    g.append(s("path", { class: "tie", d: `M${x + wide / 2},${barTop + barHeight + 18} C${x + wide / 2},${scaleTop - 10} ${real},${scaleTop - 14} ${real},${scaleTop}` }),
             s("rect", { x: real, y: scaleTop, width: realWidth, height: scaleHeight, class: "cell " + kindOf(group.runs.find(run => run.rights & RIGHT_EXECUTE) || group.runs[0]) }));
    svg.append(tells(g, () => placeOf(group.base, group.use + " · " + bytesText(group.size), lane)));
    x += wide;
  });
  svg.append(jagged(x), s("rect", { x: 0, y: scaleTop, width, height: scaleHeight, class: "frame" }),
    s("text", { x: 0, y: scaleTop + scaleHeight + 14, class: "small quiet" }, "0"),
    s("text", { x: width / 2, y: scaleTop + scaleHeight + 14, class: "small quiet", "text-anchor": "middle" }, t("true_scale")),
    s("text", { x: width, y: scaleTop + scaleHeight + 14, class: "small quiet", "text-anchor": "end" }, hex(limit)));
  roving([...svg.querySelectorAll("g.piece")]);
  return svg;
}

const clip = (text, room) => text.length <= room ? text : room < 3 ? "" : text.slice(0, room - 1) + "…";

function showAllocation(lane, group) {
  opened.add(group.allocation);
  if (lane !== view()) {
    state.lane = VIEWS.indexOf(lane);
    render();
  } else
    renderSpace();
  const row = document.querySelector(`[data-allocation="${group.allocation}"]`);
  if (row) {
    row.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    row.querySelector("button").focus({ preventScroll: true });
  }
}

/* ---- the table ---- */

function miniBar(group) {
  const total = group.runs.reduce((sum, run) => sum + pieceWidth(run), 0);
  let x = 0;
  return s("svg", { class: "mini", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, group.runs.map(run => {
    const width = 100 * pieceWidth(run) / total, cell = s("rect", { x, y: 0, width, height: 10, class: "cell " + kindOf(run) });
    x += width;
    return cell;
  }));
}

const shortHtml = va => [h("span", { class: "zeros base" }, address(va).slice(2).match(/^0*(?=.)/)[0]), address(va).slice(2).replace(/^0+(?=.)/, "")];
const rangeHtml = (base, end) => h("span", { class: "mono range" }, h("span", {}, h("span", { class: "base" }, "0x"), shortHtml(base)), h("wbr"), h("span", { class: "end" }, "–", shortHtml(end - 1)));
const kindHtml = kind => [h("i", { class: "swatch " + kind, title: t(kind) }), h("span", { class: "kind" }, t(kind))];
const rightsHtml = run => h("span", { class: "mono rights" + (run.rights & RIGHT_EXECUTE ? " x" : "") }, run.committed ? rightsText(run.rights) : t("none"));
const markHtml = mark => h("td", { class: "mark" }, mark ? h("span", { title: t(mark.kind === "new" ? "new_mark" : "changed_mark") }, mark.kind === "new" ? "+" : "~") : null);

function groupRow(group, marks) {
  const open = opened.has(group.allocation), several = group.runs.length > 1;
  const changed = group.regions.map(region => marks.get(region.base)).filter(Boolean);
  const mark = changed.length ? { kind: changed.every(one => one.kind === "new") && changed.length === group.regions.length ? "new" : "changed" } : null;
  const button = h("button", { type: "button", class: "open", "aria-expanded": several ? String(open) : null, onclick: () => {
    if (open) opened.delete(group.allocation); else opened.add(group.allocation);
    renderSpace();
    document.querySelector(`[data-allocation="${group.allocation}"] button`).focus();
  } }, several ? h("span", { class: "twist", "aria-hidden": "true" }, open ? "▾" : "▸") : h("span", { class: "twist" }), rangeHtml(group.base, group.end));
  const first = group.runs[0];
  const row = h("tr", { class: "group " + (mark ? mark.kind : ""), "data-allocation": group.allocation }, markHtml(mark),
    h("td", {}, button), h("td", { class: "right" }, bytesText(group.size)), h("td", {}, several ? miniBar(group) : rightsHtml(first)),
    h("td", {}, kindHtml(several && first.type === "image" ? "image" : kindOf(group.chief))),
    h("td", { class: "use" }, group.use || "", several && !open ? h("span", { class: "quiet" }, " " + t("parts", { n: group.runs.length })) : null));
  return tells(row, () => placeOf(group.base, group.use + " · " + bytesText(group.size)));
}

function runRow(run, marks) {
  const mark = marks.get(run.base), was = mark && mark.was;
  const row = h("tr", { class: "run " + (mark ? mark.kind : "") }, markHtml(mark), h("td", {}, rangeHtml(run.base, run.base + run.size)),
    h("td", { class: "right" }, bytesText(run.size)),
    h("td", {}, rightsHtml(run), was && was.rights !== run.rights && was.committed ? h("span", { class: "was mono" }, " ← " + rightsText(was.rights)) : null),
    h("td", {}, kindHtml(kindOf(run))), h("td", { class: "use" }, sectionsText(run.sections) || run.use || ""));
  return tells(row, () => placeOf(run.base, [run.use, sectionsText(run.sections), bytesText(run.size), rightsText(run.rights)].filter(Boolean).join(" · ")));
}

function gapRow(from, to) {
  return h("tr", { class: "gap" }, h("td", {}), h("td", { colspan: 5 }, h("span", { class: "tear", "aria-hidden": "true" }), t("free") + " " + bytesText(to - from)));
}

function renderSpace() {
  const holder = $("space-picture");
  if (!holder || !view())
    return;
  const lane = view(), phase = lane.phases.find(one => one.name === stepName()) || lane.phases[lane.phases.length - 1];
  if (!phase)
    return;
  const before = lane.phases[lane.phases.indexOf(phase) - 1], groups = allocationsOf(phase.regions), marks = changesOf(before && before.regions, phase.regions);
  const last = groups.length ? groups[groups.length - 1].end : 0;
  const limit = DIGITS === 8 ? (last > 0x80000000 ? 0x100000000 : 0x80000000) : 0x800000000000;
  const rows = [];
  groups.forEach((group, i) => {
    const from = i ? groups[i - 1].end : 0;
    if (group.base - from > 65536)
      rows.push(gapRow(from, group.base));
    rows.push(groupRow(group, marks));
    if (opened.has(group.allocation) && group.runs.length > 1)
      rows.push(...group.runs.map(run => runRow(run, marks)));
  });
  const now = finderOf(phase.regions), gone = before ? before.regions.filter(was => !now(was.base)) : [];
  for (const run of runsOf(gone))
    rows.push(h("tr", { class: "gone" }, h("td", { class: "mark" }, "−"), h("td", {}, rangeHtml(run.base, run.base + run.size)), h("td", { class: "right" }, bytesText(run.size)),
      h("td", {}, rightsHtml(run)), h("td", {}, t("gone")), h("td", { class: "use" }, run.use || "")));
  const width = Math.max(280, holder.clientWidth);
  put(holder, VIEWS.length < 2 ? drawSpaceBar(lane, groups, width, limit) :
    VIEWS.map(one => [h("h3", {}, t("lane_word", { lane: one.lane })), drawSpaceBar(one, one === lane ? groups : allocationsOf(one.phases[0].regions), width, limit)]));
  put($("space-table"), h("table", { class: "space" }, h("thead", {}, h("tr", {}, ["", "c_range", "c_size", "c_rights", "c_kind", "c_use"].map((key, i) =>
    h("th", { class: i === 2 ? "right" : null }, key ? t(key) : "")))), h("tbody", {}, rows)));
}

function spaceLegend() {
  return h("p", { class: "legend" }, KINDS.map(kind => h("span", { class: "chip" }, h("i", { class: "swatch " + kind }), t(kind))));
}
