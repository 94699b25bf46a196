
/* The picture and one that belongs to the answer, laid over each other with an edge between them. */
(() => {
  const swap = document.getElementById("swap");
  if (!swap) return;
  const slider = document.getElementById("swap-at");
  const figures = Array.from(document.querySelectorAll(".plates figure"));
  const tags = swap.querySelectorAll(".tag");

  function put(image, tag, figure) {
    const picture = figure.querySelector("img");
    image.src = picture.src;
    tag.textContent = picture.alt;
  }

  function move() {
    swap.style.setProperty("--at", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} % ${tags[0].textContent}, the rest ${tags[1].textContent}`);
  }

  function compare(name) {
    put(swap.querySelector(".after"), tags[1], figures.find((figure) => figure.dataset.plate === name));
    document.querySelectorAll(".chances tbody tr").forEach((row) => {
      row.classList.toggle("shown", row.dataset.plate === name || row.dataset.plate === "input");
    });
    move();
  }

  put(swap.querySelector(".before"), tags[0], figures[0]);
  compare(figures[1].dataset.plate);
  slider.addEventListener("input", move);
  document.querySelectorAll("input[name=plate]").forEach((input) => input.addEventListener("change", () => compare(input.value)));
  document.getElementById("swap-difference").addEventListener("change", (event) => swap.classList.toggle("difference", event.target.checked));
})();
