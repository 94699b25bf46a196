"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("seewhy-data").textContent);
  const [height, width] = data.frame.size;
  const [rows, columns] = data.frame.maps; // fewer than the view's where that is large
  const [tall, wide] = data.frame.picture;
  const [left, top, right, bottom] = data.frame.box;
  const stepY = (bottom - top) / height;
  const stepX = (right - left) / width;
  const stage = $("stage");
  const state = { map: 0, painted: -1, pixel: null, pinned: false };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const percent = (share) => `${100 * share}%`;

  /* ---- numbers -------------------------------------------------------------------------------------------- */
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  // Float16Array is too new to rely on.
  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1;
    const power = (bits >> 10) & 31;
    const rest = bits & 1023;
    if (power === 31) return rest ? NaN : sign * Infinity;
    return power ? sign * (1 + rest / 1024) * 2 ** (power - 15) : sign * rest * 2 ** -24;
  }

  function floats(packed) {
    const raw = bytes(packed.data).buffer;
    return packed.dtype === "float32" ? new Float32Array(raw) : Float32Array.from(new Uint16Array(raw), half);
  }

  const panels = data.panels.map((panel) => ({
    ...panel,
    scale: data.scales[panel.scale],
    values: floats(panel.values),
    stderr: panel.stderr && floats(panel.stderr),
  }));
  const tables = data.scales.map((scale) => bytes(scale.colours));
  const current = () => panels[state.map];

  function digits(scale) {
    return clamp(2 - Math.floor(Math.log10(Math.max(Math.abs(scale.low), Math.abs(scale.high)))), 0, 8);
  }

  function written(value, places, sign) {
    const text = Math.abs(value).toFixed(places);
    const zero = Number(text) === 0;
    return (zero ? "" : value < 0 ? "−" : sign ? "+" : "") + text;
  }

  const chance = (p) => (p === null ? "–" : p > 0 && p < 0.0005 ? "<0.001" : p.toFixed(3));
  const ratio = (value) => {
    const times = Math.exp(Math.abs(value));
    return times >= 100 ? times.toFixed(0) : times >= 10 ? times.toFixed(1) : times.toFixed(2);
  };

  /* ---- the map -------------------------------------------------------------------------------------------- */
  function level(value, scale) {
    if (Number.isNaN(value)) return 0;
    return 1 + Math.floor(254 * clamp((value - scale.low) / (scale.high - scale.low), 0, 1) + 0.5);
  }

  function axis(size, times) {
    return Array.from({ length: size * times }, (_, place) => {
      const centre = clamp((place + 0.5) / times - 0.5, 0, size - 1);
      const low = Math.floor(centre);
      return { low, high: Math.min(low + 1, size - 1), weight: centre - low };
    });
  }

  // Values are interpolated before they are coloured, as the overview does it.
  function between(values, row, column) {
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
    const times = clamp(Math.ceil(900 / Math.max(columns, rows)), 1, 32);
    const canvas = $("overlay");
    canvas.width = columns * times;
    canvas.height = rows * times;
    const context = canvas.getContext("2d");
    const image = context.createImageData(canvas.width, canvas.height);
    const across = axis(columns, times);
    let at = 0;
    for (const row of axis(rows, times)) {
      for (const column of across) {
        const entry = 4 * level(between(values, row, column), scale);
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
    const { width: far, height: deep } = context.canvas;
    const thin = Math.max(far, deep) / 450;
    for (const [size, ink] of [[5 * thin / 2, "#fff"], [thin, colour]]) {
      context.strokeStyle = ink;
      context.lineWidth = size;
      context.lineCap = "square";
      context.beginPath();
      for (const [y0, x0, y1, x1] of lines) {
        context.moveTo((x0 * far) / width, (y0 * deep) / height);
        context.lineTo((x1 * far) / width, (y1 * deep) / height);
      }
      context.stroke();
    }
    const high = 11 * thin;
    let y = Math.max((lines[0][0] * deep) / height - high / 3, high);
    while (taken.some((other) => Math.abs(other - y) < high)) y += high;
    taken.push(y);
    context.font = `bold ${high}px sans-serif`;
    context.strokeStyle = "#fff";
    context.lineWidth = 2 * thin;
    const x = Math.min((lines[0][1] * far) / width, far - context.measureText(label).width - high / 3);
    context.strokeText(label, x, y);
    context.fillStyle = colour;
    context.fillText(label, x, y);
  }

  /* ---- the read-out --------------------------------------------------------------------------------------- */
  function meaning(panel, value, error) {
    if (error !== null && Math.abs(value) < 2 * error) return "Not distinguishable from zero: less than two standard errors.";
    if (panel.unit !== "nats") return "";
    if (panel.key === "information") return "Covering this spot moves the whole prediction by this much on average.";
    const often = `${ratio(value)} times`;
    if (panel.key.startsWith("contrast:")) {
      const [more, less] = value > 0 ? ["first", "second"] : ["second", "first"];
      return `The patches here make the ${more} class ${often} as likely, relative to the ${less}.`;
    }
    return value > 0
      ? `The class is ${often} as likely with the patches here as without them: they support it.`
      : `The class is ${often} as likely without the patches here as with them: they oppose it.`;
  }

  function needle(share) {
    for (const legend of document.querySelectorAll(".legend")) {
      const mark = legend.querySelector(".needle");
      mark.hidden = share === null;
      if (share !== null) mark.style.left = percent(share);
    }
  }

  function readout() {
    const panel = current();
    const [y, x] = state.pixel;
    const place = Math.floor((y * rows) / height) * columns + Math.floor((x * columns) / width);
    const value = panel.values[place];
    const error = panel.stderr ? panel.stderr[place] : null;
    const places = digits(panel.scale);
    $("where").textContent = `${panel.title} · row ${y}, column ${x}`;
    $("value").replaceChildren();
    needle(Number.isNaN(value) ? null : clamp((value - panel.scale.low) / (panel.scale.high - panel.scale.low), 0, 1));
    $("hint").textContent = state.pinned ? "Pinned. Click it again or press Escape to let it go." : "Point to read a value; click or tap to pin it.";
    if (Number.isNaN(value)) {
      $("value").textContent = "no value";
      $("meaning").textContent = "The method gives no value here.";
      return;
    }
    const small = document.createElement("small");
    small.textContent = `${error === null || Number.isNaN(error) ? "" : ` ± ${written(error, places, false)}`} ${panel.unit}`;
    $("value").append(written(value, places, panel.diverging), small);
    $("meaning").textContent = meaning(panel, value, error);
  }

  /* ---- what was asked ------------------------------------------------------------------------------------- */
  const exhibits = data.exhibits;
  const sheet = new Image();
  if (exhibits) {
    sheet.src = $("sprite").src;
    sheet.decode().then(show, () => {});
  }

  function nearestWindow(y, x) {
    if (!exhibits) return -1;
    let best = -1;
    let least = Infinity;
    exhibits.positions.forEach(([t, l], place) => {
      const down = y - t;
      const across = x - l;
      if (down < 0 || across < 0 || down >= exhibits.size || across >= exhibits.size) return;
      const far = (down + 0.5 - exhibits.size / 2) ** 2 + (across + 0.5 - exhibits.size / 2) ** 2;
      if (far < least) [best, least] = [place, far];
    });
    return best;
  }

  // A bare patch of eight pixels says little: it is shown in its surroundings, which are the same for each.
  function drawPatch(canvas, place, layer) {
    const { size, columns, positions } = exhibits;
    const rows = Math.ceil(positions.length / columns);
    const [t, l] = positions[place];
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
    const across = (place % columns) * size;
    const down = (layer * rows + Math.floor(place / columns)) * size;
    context.imageSmoothingEnabled = false;
    context.globalAlpha = 0.6;
    context.drawImage(small, 0, 0, side * zoom, side * zoom);
    context.globalAlpha = 1;
    context.drawImage(sheet, across, down, size, size, rim * zoom, rim * zoom, size * zoom, size * zoom);
    context.strokeStyle = "#111";
    context.lineWidth = 2;
    context.strokeRect(rim * zoom - 1, rim * zoom - 1, size * zoom + 2, size * zoom + 2);
  }

  function cell(p, baseline) {
    const box = document.createElement("td");
    const track = document.createElement("span");
    const fill = document.createElement("i");
    const mark = document.createElement("b");
    track.className = "track";
    fill.style.width = percent(p || 0);
    mark.style.left = `calc(${percent(baseline || 0)} - 1px)`;
    track.append(fill, mark);
    box.append(chance(p), track);
    return box;
  }

  function classRows(label, index, place) {
    const said = exhibits.probabilities[place].map((sample) => sample[index]);
    const baseline = exhibits.baseline[index];
    const head = document.createElement("tr");
    const name = document.createElement("th");
    const numbers = document.createElement("tr");
    const mean = said.reduce((sum, p) => sum + p, 0) / said.length;
    head.className = `class${current().title === label ? " current" : ""}`;
    name.colSpan = said.length + 1;
    name.scope = "rowgroup";
    name.title = label;
    const line = document.createElement("div");
    const own = document.createElement("b");
    line.className = "line";
    own.textContent = label;
    line.append(own);
    name.append(line);
    if (current().unit === "nats" && mean > 0 && baseline > 0) {
      const note = document.createElement("span");
      note.textContent = `${written(Math.log(baseline / mean), 2, true)} nats`;
      line.append(note);
    }
    head.append(name);
    numbers.append(cell(baseline, baseline), ...said.map((p) => cell(p, baseline)));
    return [head, numbers];
  }

  function exhibit() {
    if (!exhibits) return;
    const place = state.pixel ? nearestWindow(...state.pixel) : -1;
    const frame = $("window");
    frame.hidden = place < 0;
    $("exhibit-none").hidden = place >= 0;
    $("exhibit-some").hidden = place < 0;
    if (place < 0) return;
    const [t, l] = exhibits.positions[place];
    frame.style.left = percent((left + l * stepX) / wide);
    frame.style.top = percent((top + t * stepY) / tall);
    frame.style.width = percent((exhibits.size * stepX) / wide);
    frame.style.height = percent((exhibits.size * stepY) / tall);
    if (!sheet.complete || !sheet.naturalWidth) return;
    document.querySelectorAll("#exhibit-patches canvas").forEach((canvas, layer) => drawPatch(canvas, place, layer));
    $("exhibit-rows").replaceChildren(...exhibits.labels.flatMap((label, index) => classRows(label, index, place)));
  }

  /* ---- where the reader points ---------------------------------------------------------------------------- */
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
    exhibit();
  }

  function outside() {
    $("where").textContent = "Outside what the classifier saw";
    $("value").textContent = "no value";
    $("meaning").textContent = "The classifier never looked at this part of the picture.";
    needle(null);
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

  function strongest() {
    const { values } = current();
    let best = -1;
    values.forEach((value, place) => {
      if (!Number.isNaN(value) && (best < 0 || Math.abs(value) > Math.abs(values[best]))) best = place;
    });
    const middle = (place, size, fewer) => Math.floor(((place + 0.5) * size) / fewer);
    return best < 0 ? null : [middle(Math.floor(best / columns), height, rows), middle(best % columns, width, columns)];
  }

  function follow() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const index = panels.findIndex((panel) => panel.key === wanted.get("map"));
    const [y, x] = (wanted.get("pixel") || "").split(",").map(Number);
    const found = wanted.has("pixel") && y >= 0 && x >= 0 && y < height && x < width;
    if (found) state.pixel = [Math.floor(y), Math.floor(x)];
    state.pinned = Boolean(found);
    if (index >= 0) state.map = index;
    if (!state.pixel) state.pixel = strongest();
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
    if (!pixel) return outside();
    state.pixel = pixel;
    show();
  }

  function pin(event) {
    const pixel = locate(event);
    if (!pixel) return outside();
    const again = state.pinned && state.pixel && Math.hypot((pixel[0] - state.pixel[0]) / height, (pixel[1] - state.pixel[1]) / width) < 0.015;
    state.pinned = !again;
    state.pixel = pixel;
    remember();
    show();
  }

  async function copy() {
    const code = $("command");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      // Some browsers give pages from disk no clipboard: then the text is selected for the reader to copy.
      getSelection().selectAllChildren(code);
      $("copy").textContent = "Selected";
      return;
    }
    $("copy").textContent = "Copied";
    setTimeout(() => { $("copy").textContent = "Copy"; }, 1600);
  }

  document.documentElement.classList.add("scripted");
  stage.addEventListener("pointermove", point);
  stage.addEventListener("click", pin);
  stage.addEventListener("keydown", press);
  document.querySelectorAll("input[name=map]").forEach((input, place) => input.addEventListener("change", () => { choose(place); remember(); }));
  $("opacity").addEventListener("input", (event) => { $("overlay").style.opacity = event.target.value / 100; });
  $("colour").addEventListener("change", (event) => stage.classList.toggle("colour", event.target.checked));
  if ($("copy")) $("copy").addEventListener("click", copy);
  addEventListener("hashchange", follow);
  follow();
})();
