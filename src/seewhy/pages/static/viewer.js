/* The map on the photo: choose a map, point at a pixel, read its value, see the queries behind it. */
(() => {
  const $ = (id) => document.getElementById(id);
  const { clamp, percent, written, probability, ratio } = numbers;
  const data = JSON.parse($("seewhy-data").textContent);
  const [height, width] = data.frame.size;
  const [rows, columns] = data.frame.grid; // smaller than the view where that is large
  const [tall, wide] = data.frame.photo;
  const [left, top, right, bottom] = data.frame.box;
  const stepY = (bottom - top) / height;
  const stepX = (right - left) / width;
  const stage = $("stage");
  const state = { map: 0, painted: -1, pixel: null, pinned: false };
  const maps = data.maps.map((map) => ({
    ...map,
    scale: data.scales[map.scale],
    values: numbers.floats(map.values),
    stderr: map.stderr && numbers.floats(map.stderr),
  }));
  const tables = data.scales.map((scale) => numbers.bytes(scale.colours));
  const current = () => maps[state.map];

  /* ---- painting ------------------------------------------------------------------------------------------- */
  function level(value, scale) {
    if (Number.isNaN(value)) return 0;
    return 1 + Math.floor(254 * clamp((value - scale.low) / (scale.high - scale.low), 0, 1) + 0.5);
  }

  function axis(size, factor) {
    return Array.from({ length: size * factor }, (_, index) => {
      const centre = clamp((index + 0.5) / factor - 0.5, 0, size - 1);
      const low = Math.floor(centre);
      return { low, high: Math.min(low + 1, size - 1), weight: centre - low };
    });
  }

  // Interpolate values before colouring them, as the overview does.
  function interpolate(values, row, column) {
    const corners = [
      [values[row.low * columns + column.low], (1 - row.weight) * (1 - column.weight)],
      [values[row.low * columns + column.high], (1 - row.weight) * column.weight],
      [values[row.high * columns + column.low], row.weight * (1 - column.weight)],
      [values[row.high * columns + column.high], row.weight * column.weight],
    ];
    let total = 0;
    let weight = 0;
    for (const [value, share] of corners) {
      if (!Number.isNaN(value) && share > 0) {
        total += value * share;
        weight += share;
      }
    }
    return weight >= 0.5 ? total / weight : NaN;
  }

  function paint() {
    const { values, scale } = current();
    const table = tables[data.scales.indexOf(scale)];
    const factor = clamp(Math.ceil(900 / Math.max(columns, rows)), 1, 32);
    const canvas = $("overlay");
    canvas.width = columns * factor;
    canvas.height = rows * factor;
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const across = axis(columns, factor);
    let at = 0;
    for (const row of axis(rows, factor)) {
      for (const column of across) {
        const entry = 4 * level(interpolate(values, row, column), scale);
        for (let channel = 0; channel < 4; channel += 1) image.data[at + channel] = table[entry + channel];
        at += 4;
      }
    }
    context.putImageData(image, 0, 0);
    const taken = [];
    for (const outline of current().outlines) drawOutline(context, outline, taken);
  }

  function drawOutline(context, { label, colour, lines }, taken) {
    if (!lines.length) return;
    const { width: across, height: down } = context.canvas;
    const thin = Math.max(across, down) / 450;
    for (const [size, ink] of [[5 * thin / 2, "#fff"], [thin, colour]]) {
      context.strokeStyle = ink;
      context.lineWidth = size;
      context.lineCap = "square";
      context.beginPath();
      for (const [y0, x0, y1, x1] of lines) {
        context.moveTo((x0 * across) / width, (y0 * down) / height);
        context.lineTo((x1 * across) / width, (y1 * down) / height);
      }
      context.stroke();
    }
    const line = 11 * thin;
    let y = Math.max((lines[0][0] * down) / height - line / 3, line);
    while (taken.some((other) => Math.abs(other - y) < line)) y += line;
    taken.push(y);
    context.font = `bold ${line}px sans-serif`;
    context.strokeStyle = "#fff";
    context.lineWidth = 2 * thin;
    const x = Math.min((lines[0][1] * across) / width, across - context.measureText(label).width - line / 3);
    context.strokeText(label, x, y);
    context.fillStyle = colour;
    context.fillText(label, x, y);
  }

  /* ---- readout -------------------------------------------------------------------------------------------- */
  function meaning(map, value, error) {
    if (error !== null && Math.abs(value) < 2 * error) return "Cannot be told from zero: the value is within two standard errors of it.";
    if (map.unit !== "nats") return value === 0 || !map.diverging ? "" : signedMeaning(map.unit, value > 0);
    if (map.key === "information") return "Hiding this region changes the whole prediction by this much on average.";
    if (map.key.startsWith("contrast:")) {
      const [more, less] = value > 0 ? ["first", "second"] : ["second", "first"];
      return `The patches here make the ${more} class ${ratio(value)} times as likely, relative to the ${less}.`;
    }
    return value > 0
      ? `The class is ${ratio(value)} times as likely with the patches here as without them: they support it.`
      : `The class is ${ratio(value)} times as likely without the patches here as with them: they oppose it.`;
  }

  function signedMeaning(unit, positive) {
    if (unit === "intensity") return `${positive ? "Darker" : "Brighter"} in the counterfactual.`;
    return `This region ${positive ? "raises" : "lowers"} the score of the class.`;
  }

  function moveNeedle(share) {
    for (const needle of document.querySelectorAll(".legend .needle")) {
      needle.hidden = share === null;
      if (share !== null) needle.style.left = percent(share);
    }
  }

  function decimals(scale) {
    return clamp(2 - Math.floor(Math.log10(Math.max(Math.abs(scale.low), Math.abs(scale.high)))), 0, 8);
  }

  function readout() {
    const map = current();
    const { scale } = map;
    const [y, x] = state.pixel;
    const place = Math.floor((y * rows) / height) * columns + Math.floor((x * columns) / width);
    const value = map.values[place];
    const error = map.stderr ? map.stderr[place] : null;
    const places = decimals(scale);
    $("where").textContent = `${map.title} · row ${y}, column ${x}`;
    $("hint").textContent = state.pinned ? "Pinned. Click again or press Escape to release." : "Point to read a value; click or tap to pin it.";
    moveNeedle(Number.isNaN(value) ? null : clamp((value - scale.low) / (scale.high - scale.low), 0, 1));
    if (Number.isNaN(value)) {
      $("value").textContent = "no value";
      $("meaning").textContent = "The method has no value here.";
      return;
    }
    const small = document.createElement("small");
    small.textContent = `${error === null || Number.isNaN(error) ? "" : ` ± ${written(error, places, false)}`} ${map.unit}`;
    $("value").replaceChildren(written(value, places, map.diverging), small);
    $("meaning").textContent = meaning(map, value, error);
  }

  /* ---- sampled queries ------------------------------------------------------------------------------------ */
  const { samples } = data;
  const sheet = new Image();
  if (samples) {
    sheet.src = $("sprite").src;
    sheet.decode().then(show, () => {});
  }

  function nearestWindow(y, x) {
    let best = -1;
    let least = Infinity;
    samples.positions.forEach(([t, l], index) => {
      const [down, across] = [y - t, x - l];
      if (down < 0 || across < 0 || down >= samples.size || across >= samples.size) return;
      const distance = (down + 0.5 - samples.size / 2) ** 2 + (across + 0.5 - samples.size / 2) ** 2;
      if (distance < least) [best, least] = [index, distance];
    });
    return best;
  }

  // A patch of a few pixels is hard to recognise by itself, so it is drawn with the same surroundings each time.
  function drawPatch(canvas, index, layer) {
    const { size, positions } = samples;
    const perBlock = Math.ceil(positions.length / samples.columns);
    const [t, l] = positions[index];
    const rim = Math.max(Math.round(size / 2), 6);
    const side = size + 2 * rim;
    const zoom = 4;
    canvas.width = canvas.height = side * zoom;
    const context = canvas.getContext("2d");
    const photo = $("photo");
    const per = photo.naturalWidth / wide;
    const small = document.createElement("canvas");
    small.width = small.height = side;
    small.getContext("2d").drawImage(photo, (left + (l - rim) * stepX) * per, (top + (t - rim) * stepY) * per, side * stepX * per, side * stepY * per, 0, 0, side, side);
    const across = (index % samples.columns) * size;
    const down = (layer * perBlock + Math.floor(index / samples.columns)) * size;
    context.imageSmoothingEnabled = false;
    context.globalAlpha = 0.6;
    context.drawImage(small, 0, 0, side * zoom, side * zoom);
    context.globalAlpha = 1;
    context.drawImage(sheet, across, down, size, size, rim * zoom, rim * zoom, size * zoom, size * zoom);
    context.strokeStyle = "#111";
    context.lineWidth = 2;
    context.strokeRect(rim * zoom - 1, rim * zoom - 1, size * zoom + 2, size * zoom + 2);
  }

  function element(tag, className, ...children) {
    const made = document.createElement(tag);
    made.className = className;
    made.append(...children);
    return made;
  }

  function cell(p, baseline) {
    const fill = element("i", "");
    const mark = element("b", "");
    fill.style.width = percent(p || 0);
    mark.style.left = `calc(${percent(baseline || 0)} - 1px)`;
    return element("td", "", probability(p), element("span", "track", fill, mark));
  }

  function classRows(label, index, window) {
    const answers = samples.probabilities[window].map((sample) => sample[index]);
    const baseline = samples.baseline[index];
    const mean = answers.reduce((sum, p) => sum + p, 0) / answers.length;
    const line = element("div", "line", element("b", "", label));
    if (current().unit === "nats" && mean > 0 && baseline > 0) {
      line.append(element("span", "", `${written(Math.log(baseline / mean), 2, true)} nats`));
    }
    const name = element("th", "", line);
    name.colSpan = answers.length + 1;
    name.scope = "rowgroup";
    name.title = label;
    const head = element("tr", `class${current().title === label ? " current" : ""}`, name);
    return [head, element("tr", "", cell(baseline, baseline), ...answers.map((p) => cell(p, baseline)))];
  }

  function showSamples() {
    if (!samples) return;
    const index = state.pixel ? nearestWindow(...state.pixel) : -1;
    const frame = $("window");
    frame.hidden = index < 0;
    $("samples-none").hidden = index >= 0;
    $("samples-some").hidden = index < 0;
    if (index < 0) return;
    const [t, l] = samples.positions[index];
    frame.style.left = percent((left + l * stepX) / wide);
    frame.style.top = percent((top + t * stepY) / tall);
    frame.style.width = percent((samples.size * stepX) / wide);
    frame.style.height = percent((samples.size * stepY) / tall);
    if (!sheet.complete || !sheet.naturalWidth) return;
    document.querySelectorAll("#samples-patches canvas").forEach((canvas, layer) => drawPatch(canvas, index, layer));
    $("samples-rows").replaceChildren(...samples.labels.flatMap((label, place) => classRows(label, place, index)));
  }

  /* ---- pointer, keyboard and address ---------------------------------------------------------------------- */
  function show() {
    const cross = $("cross");
    cross.hidden = !state.pixel;
    if (state.pixel) {
      const [y, x] = state.pixel;
      cross.style.left = percent((left + (x + 0.5) * stepX) / wide);
      cross.style.top = percent((top + (y + 0.5) * stepY) / tall);
      cross.classList.toggle("pinned", state.pinned);
      readout();
    }
    showSamples();
  }

  function showOutside() {
    $("where").textContent = "Outside the classifier's view";
    $("value").textContent = "no value";
    $("meaning").textContent = "The classifier did not see this part of the image.";
    moveNeedle(null);
  }

  function locate(event) {
    const box = stage.getBoundingClientRect();
    const x = Math.floor((((event.clientX - box.left) / box.width) * wide - left) / stepX);
    const y = Math.floor((((event.clientY - box.top) / box.height) * tall - top) / stepY);
    return x >= 0 && y >= 0 && x < width && y < height ? [y, x] : null;
  }

  function remember() {
    const parts = [`map=${encodeURIComponent(current().key).replaceAll("%3A", ":").replaceAll("%2F", "/")}`];
    if (state.pinned && state.pixel) parts.push(`pixel=${state.pixel.join(",")}`);
    if (`#${parts.join("&")}` !== location.hash) location.replace(`#${parts.join("&")}`);
  }

  function choose(index) {
    state.map = index;
    document.querySelectorAll("input[name=map]").forEach((input, place) => { input.checked = place === index; });
    document.querySelectorAll(".legend").forEach((legend, place) => { legend.hidden = data.scales[place] !== current().scale; });
    if (state.painted !== index) paint();
    state.painted = index;
    show();
  }

  function strongestPixel() {
    const { values } = current();
    let best = -1;
    values.forEach((value, place) => {
      if (!Number.isNaN(value) && (best < 0 || Math.abs(value) > Math.abs(values[best]))) best = place;
    });
    const middle = (place, size, fewer) => Math.floor(((place + 0.5) * size) / fewer);
    return best < 0 ? null : [middle(Math.floor(best / columns), height, rows), middle(best % columns, width, columns)];
  }

  function followAddress() {
    const address = new URLSearchParams(location.hash.slice(1));
    const index = maps.findIndex((map) => map.key === address.get("map"));
    const [y, x] = (address.get("pixel") || "").split(",").map(Number);
    const found = address.has("pixel") && y >= 0 && x >= 0 && y < height && x < width;
    if (found) state.pixel = [Math.floor(y), Math.floor(x)];
    state.pinned = Boolean(found);
    if (index >= 0) state.map = index;
    if (!state.pixel) state.pixel = strongestPixel();
    choose(state.map);
  }

  function press(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step) {
      const far = event.shiftKey ? 10 : 1;
      const [y, x] = state.pixel || [0, 0];
      state.pixel = [clamp(y + far * step[0], 0, height - 1), clamp(x + far * step[1], 0, width - 1)];
    } else if (event.key === "Enter" || event.key === " ") state.pinned = !state.pinned;
    else if (event.key === "Escape") state.pinned = false;
    else return;
    event.preventDefault();
    if (!step || state.pinned) remember();
    show();
  }

  function point(event) {
    if (state.pinned || event.pointerType === "touch") return;
    const pixel = locate(event);
    if (!pixel) return showOutside();
    state.pixel = pixel;
    show();
  }

  function pin(event) {
    const pixel = locate(event);
    if (!pixel) return showOutside();
    const near = ([y, x]) => Math.hypot((pixel[0] - y) / height, (pixel[1] - x) / width) < 0.015;
    state.pinned = !(state.pinned && state.pixel && near(state.pixel));
    state.pixel = pixel;
    remember();
    show();
  }

  stage.addEventListener("pointermove", point);
  stage.addEventListener("click", pin);
  stage.addEventListener("keydown", press);
  document.querySelectorAll("input[name=map]").forEach((input, place) => input.addEventListener("change", () => { choose(place); remember(); }));
  $("opacity").addEventListener("input", (event) => { $("overlay").style.opacity = event.target.value / 100; });
  $("colour").addEventListener("change", (event) => stage.classList.toggle("colour", event.target.checked));
  addEventListener("hashchange", followAddress);
  followAddress();
})();
