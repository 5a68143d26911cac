// Labels that Gradio writes in English whatever the language is.
(() => {
  document.documentElement.lang = "pt-BR";
  const words = {
    "Liked": "Gostei (marcado)",
    "Disliked": "Não gostei (marcado)",
    "chatbot conversation": "Conversa",
  };
  const translate = (root) => {
    for (const element of root.querySelectorAll("[title], [aria-label]")) {
      for (const name of ["title", "aria-label"]) {
        const word = words[element.getAttribute(name)];
        if (word) element.setAttribute(name, word);
      }
    }
  };
  new MutationObserver(() => translate(document)).observe(document, {
    subtree: true, childList: true, attributes: true, attributeFilter: ["title", "aria-label"],
  });
})();
