"use strict";
// The history's filter. What it is set to stands in the address, so that a
// filtered view can be linked to: index.html#history?f=read&outcome=fail
const form = document.querySelector(".filter");
if (form) {
  const output = form.querySelector("output");
  const rows = [...document.querySelectorAll("#history tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());

  const apply = () => {
    const { text, f, outcome } = form.elements;
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    rows.forEach((row, i) => {
      row.hidden = !(
        (!f.value || row.dataset.f === f.value) &&
        (!outcome.value || row.dataset.outcome === outcome.value) &&
        texts[i].includes(wanted)
      );
      shown += !row.hidden;
    });
    output.value = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} operations`;
  };

  const remember = () => {
    const set = [...new FormData(form)].filter(([, value]) => value);
    const query = set.length ? "?" + new URLSearchParams(set) : "";
    window.history.replaceState(null, "", "#history" + query);
  };

  const recall = () => {
    const [section, query] = location.hash.split("?");
    if (section !== "#history") return;
    for (const [name, value] of new URLSearchParams(query)) {
      if (form.elements[name]) form.elements[name].value = value;
    }
    document.querySelector(section).scrollIntoView();
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { apply(); remember(); });
  window.addEventListener("hashchange", () => { recall(); apply(); });
  recall();
  apply();
}
