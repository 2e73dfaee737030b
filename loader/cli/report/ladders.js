/* The two ladders: the FILE on the left, the IMAGE on the right, the same top, a slanted band from every stretch of
 * the file to the place that it comes to. */

let leastHeight = 26; /* of a row: what its text needs */
const heightOf = size => size ? leastHeight + 9 * Math.max(0, log2(size / 2048)) : 0;

/* File offset -> y, piece by piece between the borders of all parts: parts that share bytes share the place. */
function fileScale(parts, top) {
  const borders = [...new Set([0, parts.bytes, ...parts.rows.filter(row => row.bytes).flatMap(row => [row.offset, Math.min(row.offset + row.bytes, parts.bytes)])])]
    .filter(value => value <= parts.bytes).sort((a, b) => a - b);
  const ys = [top];
  for (let i = 1; i < borders.length; i++)
    ys.push(ys[i - 1] + heightOf(borders[i] - borders[i - 1]));
  return {
    bottom: ys[ys.length - 1],
    y: offset => {
      let i = borders.findIndex(border => border > offset) - 1;
      if (i < 0) i = Math.max(0, borders.length - 2);
      const length = borders[i + 1] - borders[i] || 1;
      return ys[i] + (ys[i + 1] - ys[i]) * clamp((offset - borders[i]) / length, 0, 1);
    },
    offset: y => {
      let i = ys.findIndex(value => value > y) - 1;
      if (i < 0) i = Math.max(0, ys.length - 2);
      return borders[i] + Math.floor((borders[i + 1] - borders[i]) * clamp((y - ys[i]) / (ys[i + 1] - ys[i] || 1), 0, 0.9999));
    },
  };
}

function imageScale(rows, top) {
  let y = top;
  rows.forEach(row => { row.y = y; y += row.height = heightOf(row.size); });
  return {
    bottom: y,
    y: rva => {
      const row = rows.find(one => rva < one.rva + one.size) || rows[rows.length - 1];
      return row.y + row.height * clamp((rva - row.rva) / row.size, 0, 1);
    },
    rva: at => {
      const row = rows.find(one => at < one.y + one.height) || rows[rows.length - 1];
      return row.rva + Math.floor(row.size * clamp((at - row.y) / row.height, 0, 0.9999));
    },
  };
}

/* Columns by the width at hand. Narrow: what does not fit beside the boxes stands in them. */
function ladderColumns(width) {
  if (width < 720) {
    const file = Math.round(width * 0.29), gap = Math.round(width * 0.13);
    return { narrow: true, file: 1, fileWidth: file, image: file + gap, imageWidth: width - file - gap - 14, text: null };
  }
  const fileWidth = width < 1000 ? 120 : 170, gap = clamp(width * 0.1, 70, 150), imageWidth = width < 1000 ? 150 : 220;
  const file = 92, image = file + fileWidth + gap, text = image + imageWidth + 30;
  /* Where there is less room, addresses leave their leading zeros out. */
  const short = width < 1000, size = text + (short ? 10 : DIGITS + 2) * 7.7 + 70;
  return { narrow: false, file, fileWidth, image, imageWidth, text, short, size, use: size + 16 };
}

/* The rights of an image row at the step shown: the run's own, or the plan's. */
function rowRights(row, regions, base) {
  if (!regions)
    return row.kind === "gap" ? 0 : row.rights;
  const at = base + row.rva, region = regions.find(one => at >= one.base && at < one.base + one.size);
  return region && region.committed ? region.rights : null;
}

const rowKind = (row, rights) => row.kind === "gap" || rights === null || rights === 0 ? "none" : rights & RIGHT_EXECUTE ? "executable" : rights & RIGHT_WRITE ? "image_written" : "image";
const rowName = row => row.kind === "headers" ? t("headers_part") : row.kind === "gap" ? "" : row.name;

function ladderData() {
  const parts = partsOfFile(), lane = view();
  const phase = lane ? lane.phases.find(one => one.name === stepName()) || lane.phases[lane.phases.length - 1] : null;
  const before = lane && phase ? lane.phases[lane.phases.indexOf(phase) - 1] : null;
  const program = programOf(lane);
  return { parts, regions: phase && phase.regions, before: before && before.regions, program, rows: parts.rows.filter(row => row.kind !== "unmapped") };
}

/* "then 512 zero" and what else stands beside a row. */
function rowUse(data, row) {
  const words = [];
  if (row.kind === "gap")
    words.push(t("gap"));
  if (row.kind === "zero")
    words.push(t("zero_fill"));
  if (row.use)
    words.push(row.use.replace("entry point", t("entry")));
  if (row.tail && row.bytes)
    words.push(t("then_zero", { n: grouped(row.tail) }));
  return words.join(", ");
}

/* Which DLLs' functions the slots of this row hold. */
function rowSlots(data, row) {
  if (!data.program || !reached("bound"))
    return null;
  const from = data.program.base + row.rva, slots = data.program.slots.filter(slot => slot.slot >= from && slot.slot < from + row.size);
  if (!slots.length)
    return null;
  const counts = new Map();
  slots.forEach(slot => counts.set(slot.from, (counts.get(slot.from) || 0) + 1));
  return { slots, text: "IAT → " + [...counts].slice(0, 4).map(([name, count]) => name + " " + count).join(", ") + (counts.size > 4 ? ", …" : "") };
}

function drawFileBox(data, columns, scale, row) {
  const y = scale.y(row.offset), bottom = scale.y(Math.min(row.offset + row.bytes, data.parts.bytes)), height = bottom - y;
  const kind = row.kind === "unmapped" ? "outside" : rowKind(row, row.rights);
  const g = s("g", { class: "row file", role: "img", "aria-label": "file " + hex(row.offset) + " " + row.name },
    s("rect", { x: columns.file, y, width: columns.fileWidth, height, class: "box " + kind }),
    s("text", { x: columns.file + 8, y: y + 17, class: "name" }, rowName(row)));
  if (columns.narrow && height >= 40)
    g.append(s("text", { x: columns.file + 8, y: y + 33, class: "small offset" }, hex(row.offset)));
  if (!columns.narrow)
    g.append(s("text", { x: columns.file - 8, y: y + 17, class: "offset", "text-anchor": "end" }, hex(row.offset)),
             rowName(row).length * 7.4 + 76 > columns.fileWidth ? "" : s("text", { x: columns.file + columns.fileWidth - 8, y: y + 17, class: "small", "text-anchor": "end" }, bytesText(row.bytes)));
  const title = row.name + " · " + bytesText(row.bytes) + (row.kind === "unmapped" ? " · " + t("not_mapped") : "");
  return tells(g, () => ({ offset: row.offset, rva: row.kind === "unmapped" ? null : row.rva, va: row.kind === "unmapped" ? null : data.parts.base + row.rva, words: title }));
}

function drawBand(data, columns, scale, row, rawHeight) {
  const left = columns.file + columns.fileWidth, right = columns.image, top = scale.y(row.offset), bottom = scale.y(Math.min(row.offset + row.bytes, data.parts.bytes));
  const middle = (left + right) / 2;
  return s("path", { class: "band " + rowKind(row, row.rights) + (row.mappable ? "" : " copied"),
    d: `M${left},${top} C${middle},${top} ${middle},${row.y} ${right},${row.y} L${right},${row.y + rawHeight} C${middle},${row.y + rawHeight} ${middle},${bottom} ${left},${bottom} Z` });
}

function drawImageBox(data, columns, row, rawHeight) {
  const rights = rowRights(row, data.regions, data.parts.base), kind = rowKind(row, rights), x = columns.image, width = columns.imageWidth;
  const was = data.before && reached("protected") ? rowRights(row, data.before, data.parts.base) : rights, changed = was !== null && was !== rights;
  const text = rightsText(rights === null ? 0 : rights) + (changed ? " ←" + rightsText(was) : ""), use = rowUse(data, row), slots = rowSlots(data, row);
  const g = s("g", { class: "row image on-" + kind, role: "img", "aria-label": [rowName(row), address(data.parts.base + row.rva), rightsText(rights), use].join(" ") },
    s("rect", { x, y: row.y, width, height: row.height, class: "box " + kind }));
  if (row.kind === "zero" || rawHeight < row.height)
    g.append(s("rect", { x, y: row.y + (row.kind === "zero" ? 0 : rawHeight), width, height: row.height - (row.kind === "zero" ? 0 : rawHeight), class: "zero", fill: "url(#ladder-dots)" }));
  g.append(s("text", { x: x + 18, y: row.y + 17, class: "name" }, clip(rowName(row), Math.floor((width - 32 - 7.6 * text.length) / 7.2))),
           s("text", { x: x + width - 10, y: row.y + 17, class: "rights" + (changed ? " changed" : ""), "text-anchor": "end" }, text));
  if (columns.narrow) {
    if (row.height >= 40)
      g.append(s("text", { x: x + 18, y: row.y + 33, class: "small inside" }, addressSvg(data.parts.base, data.parts.base + row.rva, data.parts.size, true)));
  } else
    g.append(s("text", { x: columns.text, y: row.y + 17 }, addressSvg(data.parts.base, data.parts.base + row.rva, data.parts.size, columns.short)),
             s("text", { x: columns.size, y: row.y + 17, class: "small", "text-anchor": "end" }, bytesText(row.size)),
             s("text", { x: columns.use, y: row.y + 17, class: "use" },
               clip([slots && slots.text, use].filter(Boolean).join("; "), Math.floor((data.width - columns.use) / 6.6))));
  return tells(g, () => ({ va: data.parts.base + row.rva, rva: row.rva, offset: row.bytes ? row.offset : null,
                           words: [rowName(row), bytesText(row.size), text, use, slots && slots.text].filter(Boolean).join(" · ") }));
}

/* Left edge of the image: pages that were mended, darker for more addresses; outlined where they only would be. */
function drawHeat(data, columns, scale) {
  const program = data.program, moved = program && program.moved && reached("relocated");
  const pages = moved ? program.pages.map(page => [page.address - program.base, page.count])
                      : (FILE.info.relocation_pages || []).map(page => [number(page.page), page.fixups]);
  if (!pages.length || !reached("filled"))
    return null;
  const most = Math.max(...pages.map(page => page[1]), 1);
  return s("g", { class: "heat" }, pages.filter(([rva]) => rva < data.parts.size).map(([rva, count]) => {
    const y = scale.y(rva), height = Math.max(1.5, scale.y(Math.min(rva + 4096, data.parts.size)) - y - 0.5);
    const mark = s("rect", { x: columns.image + 3, y: y + 0.5, width: 8, height, class: moved ? "page" : "page would" }, s("title", {}, hex(rva) + ": " + count));
    if (moved)
      mark.style.fillOpacity = 0.25 + 0.75 * Math.sqrt(count / most);
    return mark;
  }));
}

/* Right edge: slots of the import address table, once they are filled. */
function drawSlots(data, columns, scale) {
  if (!data.program || !reached("bound") || !data.program.slots.length)
    return null;
  const right = columns.image + columns.imageWidth, seen = new Set();
  return s("g", { class: "slots" }, data.program.slots.map(slot => {
    const y = Math.round(scale.y(slot.slot - data.program.base) * 2) / 2;
    if (seen.has(y)) return null;
    seen.add(y);
    return s("line", { x1: right - 5, y1: y + 0.5, x2: right + 5, y2: y + 0.5 });
  }));
}

function drawEntry(data, columns, scale) {
  const entry = number(HEADER.entry);
  if (!entry || !reached("started"))
    return null;
  const y = scale.y(entry), x = columns.image + columns.imageWidth;
  return s("g", { class: "entry" }, s("path", { d: `M${x - 4},${y} l14,-6.5 v13 Z` }, s("title", {}, "ImageBase + OEP")));
}

function drawBracket(x, top, bottom, text, way) {
  return s("g", { class: "bracket" }, s("path", { d: `M${x},${top} h${6 * way} V${bottom} h${-6 * way}`, fill: "none" }),
    s("text", { x: x + 6 * way, y: bottom + 18, "text-anchor": way < 0 ? "start" : "end" }, text));
}

function drawImage(data, columns, scale, image) {
  const x = columns.image, width = columns.imageWidth, height = image.bottom - data.rows[0].y, top = data.rows[0].y;
  if (!reached("filled")) {
    const reserved = reached("placed");
    return s("g", { class: "row image" },
      s("rect", { x, y: top, width, height, class: reserved ? "box reserved" : "ghost", fill: "none" }),
      s("text", { x: x + width / 2, y: top + Math.min(height / 2, 90), "text-anchor": "middle", class: "placard" }, reserved ? t("reserved") : t("not_yet")),
      reserved && !columns.narrow ? s("text", { x: columns.text, y: top + 17 }, address(data.parts.base)) : null);
  }
  return data.rows.map(row => drawImageBox(data, columns, row, rawHeightOf(row)));
}

/* How much of an image row comes out of the file: at least a sliver, and never all of it where zeros follow. */
function rawHeightOf(row) {
  if (!row.bytes)
    return 0;
  return row.bytes >= row.size ? row.height : clamp(row.height * row.bytes / row.size, 5, row.height - 4);
}

function crossHair(svg, data, columns, scale, image) {
  const line = s("path", { class: "hair" });
  svg.append(line);
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top, top = data.rows[0].y;
    let rva = null, offset = null;
    if (x >= columns.image && x <= columns.image + columns.imageWidth && y >= top && y < image.bottom && reached("placed")) {
      rva = image.rva(y);
      const row = data.rows.find(one => rva >= one.rva && rva < one.rva + one.size);
      offset = row && row.bytes && rva - row.rva < row.bytes ? row.offset + rva - row.rva : null;
    } else if (x >= columns.file && x <= columns.file + columns.fileWidth && y >= top && y < scale.bottom) {
      offset = scale.offset(y);
      const row = data.rows.find(one => one.bytes && offset >= one.offset && offset < one.offset + Math.min(one.bytes, one.size));
      rva = row ? row.rva + offset - row.offset : null;
    } else
      return line.setAttribute("d", "");
    const row = rva === null ? data.parts.rows.find(one => one.bytes && offset >= one.offset && offset < one.offset + one.bytes)
                             : data.rows.find(one => rva >= one.rva && rva < one.rva + one.size);
    const left = offset === null ? null : scale.y(offset), right = rva === null ? null : image.y(rva), edge = columns.file + columns.fileWidth;
    line.setAttribute("d", (left === null ? "" : `M${columns.file},${left} H${edge}`) + (right === null ? "" : `M${columns.image},${right} h${columns.imageWidth}`) +
                           (left === null || right === null || !reached("filled") ? "" : `M${edge},${left} L${columns.image},${right}`));
    tellPlace({ va: rva === null ? null : data.parts.base + rva, rva, offset, words: row ? rowName(row) + (row.kind === "unmapped" ? " · " + t("not_mapped") : "") : "" });
  });
  svg.addEventListener("pointerleave", () => line.setAttribute("d", ""));
}

function renderLadders() {
  const holder = $("ladders");
  if (!holder)
    return;
  const data = ladderData(), width = Math.max(300, holder.clientWidth), columns = ladderColumns(width), top = 34;
  leastHeight = columns.narrow ? 42 : 26;
  data.width = width;
  const scale = fileScale(data.parts, top), image = imageScale(data.rows, top), bottom = Math.max(scale.bottom, image.bottom);
  const svg = s("svg", { width, height: bottom + 30, viewBox: `0 0 ${width} ${bottom + 30}`, class: "ladders", role: "group", "aria-label": t("layout") }, patterns("ladder"),
    s("text", { x: columns.file, y: 18, class: "head" }, "1 " + t("FILE")),
    s("text", { x: columns.image, y: 18, class: "head" }, "2 " + t("IMAGE")),
    columns.narrow ? null : [s("text", { x: columns.text, y: 18, class: "head quiet" }, t("va")),
      s("text", { x: columns.size, y: 18, class: "head quiet", "text-anchor": "end" }, t("c_size")),
      s("text", { x: columns.use, y: 18, class: "head quiet" }, t("c_use")),
      s("text", { x: columns.file - 8, y: 18, class: "head quiet", "text-anchor": "end" }, t("c_offset")),
      s("text", { x: (columns.file + columns.fileWidth + columns.image) / 2, y: 18, class: "head quiet", "text-anchor": "middle" }, "3 " + t("filled"))]);
  if (reached("filled"))
    svg.append(s("g", { class: "bands" }, data.rows.filter(row => row.bytes).map(row => drawBand(data, columns, scale, row, rawHeightOf(row)))));
  data.parts.rows.filter(row => row.bytes).forEach(row => svg.append(drawFileBox(data, columns, scale, row)));
  fill(svg, {}, [drawImage(data, columns, scale, image), drawHeat(data, columns, image), drawSlots(data, columns, image), drawEntry(data, columns, image)]);
  svg.append(drawBracket(columns.image + columns.imageWidth + (columns.narrow ? 2 : 8), top, image.bottom, t("size_of_image") + " " + bytesText(data.parts.size), 1),
             s("text", { x: columns.file, y: scale.bottom + 18, class: "foot" }, bytesText(data.parts.bytes)));
  crossHair(svg, data, columns, scale, image);
  roving([...svg.querySelectorAll("g.row")]);
  put(holder, svg);
}

function layoutLegend() {
  const chip = (kind, text) => h("span", { class: "chip" }, h("i", { class: "swatch " + kind }), text);
  return h("p", { class: "legend" }, chip("executable", t("executable")), chip("image_written", t("image_written")), chip("image", t("image")),
    chip("dots", t("zero_fill")), chip("page", STEPS.includes("relocated") && programOf(view()) && programOf(view()).moved ? t("patched") : t("would_patch")),
    chip("solid", t("mapped")), chip("dashed", t("copied")),
    h("span", { class: "chip kinds" }, t("addresses") + ":", ["offset", "rva", "va"].map(kind => h("span", { class: "mono " + kind }, t(kind)))));
}
