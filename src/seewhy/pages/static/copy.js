/* Buttons that copy the text of the element that their data-copy names. */
(() => {
  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      // Some browsers deny the clipboard to pages opened from disk: select the text so that the reader can copy it.
      getSelection().selectAllChildren(source);
      button.textContent = "Selected";
      return;
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1600);
  }

  document.querySelectorAll("button[data-copy]").forEach((button) => button.addEventListener("click", () => copy(button)));
})();
