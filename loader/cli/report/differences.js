/* Two lanes side by side: what differs, in which class, and by which cause. What nothing explains comes first. */

function differencesSection(comparison) {
  const all = comparison.differences || [], unexplained = comparison.unexplained || 0;
  const verdict = unexplained ? t("not_explained", { n: grouped(unexplained), all: grouped(all.length) }) : all.length ? t("explained", { n: grouped(all.length) }) : t("identical");
  const counts = Object.entries(comparison.counts || {}).filter(([, count]) => count), most = Math.max(...counts.map(([, count]) => count), 1);
  const choice = h("select", { "aria-label": t("c_class") }, h("option", { value: "" }, t("all_classes")), counts.map(([name]) => h("option", { value: name }, className(name))));
  const bars = h("div", { class: "classes" }, counts.map(([name, count]) => {
    const bar = h("i", { class: "bar" + (name === "unexplained" ? " bad" : "") });
    bar.style.width = 4 + 96 * Math.log(1 + count) / Math.log(1 + most) + "%";
    return h("button", { type: "button", onclick: () => { choice.value = name; choice.dispatchEvent(new Event("change")); } },
      h("span", {}, className(name)), h("span", { class: "right mono" }, grouped(count)), h("span", { class: "bar-holder" }, bar));
  }));
  const side = index => nameOfSide(index === 0 ? comparison.a : comparison.b, index);
  const columns = [{ key: "c_module" }, { key: "c_rva" }, { key: "side_a" }, { key: "side_b" }, { key: "c_what" }];
  WORDS.side_a = [side(0), side(0)];
  WORDS.side_b = [side(1), side(1)];
  const plain = value => value === null || value === undefined ? "—" : typeof value === "object" ? JSON.stringify(value) : String(value);
  const rows = [...all].sort((x, y) => (y.class === "unexplained") - (x.class === "unexplained")).map(one => ({ group: one.class, heading: className(one.class) + (one.cause ? " · " + one.cause : ""),
    text: () => [one.class, className(one.class), one.module, one.rva, plain(one.a), plain(one.b), one.cause, one.text].join(" "),
    make: () => h("tr", { class: one.class === "unexplained" ? "bad" : null }, h("td", {}, one.module || t("process_word")),
      h("td", { class: "mono" }, one.rva || ""), h("td", { class: "mono value" }, plain(one.a)), h("td", { class: "mono value" }, plain(one.b)), h("td", {}, one.text)) }));
  const ends = [comparison.a, comparison.b].filter(one => one && typeof one === "object").map(one =>
    [t("lane_word", { lane: one.lane }), one.at, one.image_base, one.exit && t("exit_code", { code: one.exit })].filter(Boolean).join(" · "));
  return section("differences", null, h("p", { class: "verdict " + (unexplained ? "bad" : "good") }, verdict), h("p", { class: "quiet" }, ends.join("  —  ")), sidesDrawn(), bars,
    all.length ? searchList("differences", columns, rows, "search_differences", choice) : null);
}

function nameOfSide(side, index) {
  const lane = side && typeof side === "object" ? side.lane || side.file : side;
  return String(lane || (VIEWS[index] && VIEWS[index].lane) || "AB"[index]);
}

/* The modules of both lanes as two ladders, each module joined to its counterpart. */
function sidesDrawn() {
  if (VIEWS.length < 2)
    return null;
  const width = clamp($("main").clientWidth || 800, 300, 1000), narrow = width < 620, box = narrow ? width * 0.4 : width * 0.32, row = 26, gap = 6;
  const columns = VIEWS.slice(0, 2).map(lane => [...lane.modules].sort((a, b) => a.base - b.base)), right = width - box, y = index => 30 + index * (row + gap);
  const height = y(Math.max(columns[0].length, columns[1].length)) + 4;
  const svg = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, class: "sides", role: "group", "aria-label": t("modules") });
  VIEWS.slice(0, 2).forEach((lane, i) => svg.append(s("text", { x: i ? right : 0, y: 18, class: "head" }, lane.lane)));
  columns[0].forEach((module, index) => {
    const other = columns[1].findIndex(one => sameName(one.name, module.name));
    if (other < 0) return;
    const y1 = y(index) + row / 2, y2 = y(other) + row / 2, moved = columns[1][other].base !== module.base;
    svg.append(s("path", { class: "join" + (moved ? " moved" : ""), d: `M${box},${y1} C${width / 2},${y1} ${width / 2},${y2} ${right},${y2}` }));
  });
  columns.forEach((modules, i) => modules.forEach((module, index) => {
    const single = !columns[1 - i].some(one => sameName(one.name, module.name)), x = i ? right : 0;
    svg.append(s("g", { class: "side" + (single ? " single" : "") }, s("rect", { x: x + 0.5, y: y(index), width: box - 1, height: row, rx: 3, class: "box image" }),
      s("text", { x: x + 8, y: y(index) + 17, class: "name" }, clip(module.name, Math.floor(box / (narrow ? 7.4 : 15)))),
      narrow ? null : s("text", { x: x + box - 8, y: y(index) + 17, class: "small", "text-anchor": "end" }, hex(module.base))));
  }));
  return svg;
}
