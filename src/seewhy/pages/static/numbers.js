"use strict";
/* Decoding and writing of numbers, shared by the scripts of all pages. */
const numbers = (() => {
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const percent = (share) => `${100 * share}%`;
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

  // Float16Array is too new to rely on.
  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return exponent ? sign * (1 + fraction / 1024) * 2 ** (exponent - 15) : sign * fraction * 2 ** -24;
  }

  function floats(packed) {
    const raw = bytes(packed.data).buffer;
    return packed.dtype === "float32" ? new Float32Array(raw) : Float32Array.from(new Uint16Array(raw), half);
  }

  function written(value, places, sign) {
    const text = Math.abs(value).toFixed(places);
    const zero = Number(text) === 0;
    return (zero ? "" : value < 0 ? "−" : sign ? "+" : "") + text;
  }

  const probability = (p) => (p === null ? "–" : p > 0 && p < 0.0005 ? "<0.001" : p.toFixed(3));

  function ratio(value) {
    const times = Math.exp(Math.abs(value));
    return times.toFixed(times >= 100 ? 0 : times >= 10 ? 1 : 2);
  }

  return { clamp, percent, bytes, floats, written, probability, ratio };
})();
