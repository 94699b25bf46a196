/* The input and a generated image on top of each other, with a slider between them. */
(() => {
  const swap = document.getElementById("swap");
  if (!swap) return;
  const slider = document.getElementById("swap-at");
  const figures = Array.from(document.querySelectorAll(".images figure"));
  const tags = swap.querySelectorAll(".tag");

  function fill(image, tag, figure) {
    const source = figure.querySelector("img");
    image.src = source.src;
    tag.textContent = source.alt;
  }

  function move() {
    swap.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} % ${tags[0].textContent}, the rest ${tags[1].textContent}`);
  }

  function compare(name) {
    fill(swap.querySelector(".after"), tags[1], figures.find((figure) => figure.dataset.image === name));
    document.querySelectorAll(".probabilities tbody tr").forEach((row) => {
      row.classList.toggle("shown", row.dataset.image === name || row.dataset.image === "input");
    });
    move();
  }

  fill(swap.querySelector(".before"), tags[0], figures[0]);
  compare(figures[1].dataset.image);
  slider.addEventListener("input", move);
  document.querySelectorAll("input[name=generated]").forEach((input) => input.addEventListener("change", () => compare(input.value)));
  document.getElementById("swap-difference").addEventListener("change", (event) => swap.classList.toggle("difference", event.target.checked));
})();
