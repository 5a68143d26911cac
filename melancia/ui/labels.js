// Labels that Gradio writes in English whatever the language is, and notices that it tells no screen reader.
(() => {
  document.documentElement.lang = "pt-BR";
  const words = {
    "Liked": "Gostei (marcado)",
    "Disliked": "Não gostei (marcado)",
    "chatbot conversation": "Conversa",
  };
  const notices = ["aviso", "base-andamento", "tarefas-aviso", "bench-aviso", "exp-aviso", "saude-aviso"];
  const translate = (root) => {
    for (const id of notices) document.getElementById(id)?.setAttribute("role", "status");
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
