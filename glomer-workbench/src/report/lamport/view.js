// The diagram on the page: which window and which lanes of it are shown, what is marked, and
// the event that is looked at. That stands in the address: index.html#event-1234
{
  // So many events are a window, and so many stand before one that is jumped to.
  const WINDOW = 250;
  const BEFORE = 10;
  // More clients than these share a lane.
  const CLIENTS = 8;

  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const { names, steps, starts, faults, marked } = read("messages-head");
  const parts = new Parts(starts, steps, read("messages-part"));
  const told = new Map(marked);

  const root = document.querySelector(".diagram");
  const [search, slider] = [".search", ".window input"].map((it) => root.querySelector(it));
  const [view, picture, whole] = [".lamport-view", ".lamport", ".whole"].map((it) => root.querySelector(it));
  const event = root.querySelector(".event");

  const CLIENT = "clients";
  const clients = names.filter((name) => name.startsWith("c"));
  let folded = clients.length > CLIENTS;
  const hidden = new Set();
  const laneOf = (place) => (folded && names[place].startsWith("c") ? CLIENT : names[place]);
  const allLanes = () => [...new Set(names.map((_, place) => laneOf(place)))];
  const isShown = (arrow) => ![arrow.src, arrow.dest].some((it) => hidden.has(laneOf(it)));

  let rows = [];
  let here = null;
  let isFound = () => false;
  let found = [];

  // At most `most` events from a step on, or before it, whose lanes are shown.
  async function gather(step, direction, most) {
    const gathered = [];
    if (allLanes().every((lane) => hidden.has(lane))) return gathered;
    for (; gathered.length < most && step >= 0 && step < steps; step += direction) {
      const arrows = (await parts.at(step)).filter(isShown);
      if (!arrows.length) continue;
      const time = arrows[0].sent === step ? arrows[0].sentAt : arrows[0].endedAt;
      gathered.push({ step, time, arrows });
    }
    return direction < 0 ? gathered.reverse() : gathered;
  }

  // Shows the window in which so many events stand before a step. What is asked for while parts
  // are loaded takes its place.
  let turn = 0;
  async function open(step, before = 0) {
    const own = ++turn;
    const late = setTimeout(() => (root.querySelector(".window output").value = "loading …"), 300);
    try {
      const after = await gather(step, 1, WINDOW);
      const earlier = await gather(step - 1, -1, Math.max(before, WINDOW - after.length));
      if (own !== turn) return false;
      rows = [...earlier, ...after].slice(0, WINDOW);
    } catch (error) {
      event.textContent = `${error.message}: the folder messages belongs beside this page.`;
      event.hidden = false;
      return false;
    } finally {
      clearTimeout(late);
    }
    render();
    return true;
  }

  function render() {
    const lanes = allLanes().filter((lane) => !hidden.has(lane));
    const { width, places } = draw(picture, rows, {
      names,
      lanes,
      faults,
      room: view.clientWidth,
      lane: (place) => lanes.indexOf(laneOf(place)),
      mark: (arrow) => [told.has(arrow.id) && "told", isFound(arrow) && "found"],
    });
    const heads = view.querySelector(".names");
    heads.style.width = `${width}px`;
    heads.replaceChildren(...lanes.map((lane, i) => {
      const head = Object.assign(document.createElement("span"), { textContent: lane });
      head.style.left = `${places[i]}px`;
      return head;
    }));
    renderLanes();
    renderWhole();
    renderEvent();
  }

  function button(text, isPressed, title, onclick) {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text, title, onclick });
    made.setAttribute("aria-pressed", isPressed);
    return made;
  }

  // The lanes to choose from.
  function renderLanes() {
    const again = () => open(here ?? rows[0]?.step ?? 0, here === null ? 0 : BEFORE);
    const lanes = allLanes();
    const choose = (wanted) => {
      lanes.forEach((lane) => (wanted(lane) ? hidden.delete(lane) : hidden.add(lane)));
      again();
    };
    const chips = lanes.map((lane) => button(lane, !hidden.has(lane), "Show or hide this lane", () => {
      choose((it) => (it === lane ? hidden.has(lane) : !hidden.has(it)));
    }));
    const fold = button(`${clients.length} clients in one lane`, folded, "Fold or unfold the clients", () => {
      folded = !folded;
      [CLIENT, ...clients].forEach((lane) => hidden.delete(lane));
      again();
    });
    const links = ["all", "none"].map((text) => {
      const link = button(text, false, `Show ${text} of the lanes`, () => choose(() => text === "all"));
      link.className = "choose";
      return link;
    });
    // Who has pressed a button with the keyboard goes on from there.
    const box = root.querySelector(".lanes");
    const focus = [...box.children].indexOf(document.activeElement);
    box.replaceChildren(...(clients.length > 1 ? [fold] : []), ...chips, ...links);
    box.children[focus]?.focus();
  }

  // The whole run in a strip: faults, what is marked, and the window.
  function renderWhole() {
    const [first, last] = [rows[0], rows.at(-1)];
    const at = (step) => (1000 * step) / Math.max(steps, 1);
    const band = (name, from, to) =>
      svg("rect", { class: name, x: at(from), width: Math.max(at(to) - at(from), 2), height: 1 });
    const ticks = (name, all) =>
      [...new Set(all.map((step) => Math.round(at(step))))].map((x) =>
        svg("rect", { class: name, x, width: 2, height: 1 }));
    whole.replaceChildren(
      ...faults.map(([, from, past]) => band("fault", from, past)),
      ...(first ? [band("shown", first.step, last.step + 1)] : []),
      ...ticks("told", [...told.values()]),
      ...ticks("found", found),
    );
    slider.max = Math.max(steps - WINDOW, 0);
    slider.value = first?.step ?? 0;
    const count = (n) => n.toLocaleString("en");
    const said = first
      ? `${moment(first.time)} to ${moment(last.time)}, events ${count(first.step)} to ${count(last.step)} of ${count(steps)}`
      : "no messages";
    slider.setAttribute("aria-valuetext", said);
    root.querySelector(".window output").value = said;
    const [earlier, later] = root.querySelectorAll(".window > button");
    earlier.disabled = !first || first.step === 0;
    later.disabled = !first || last.step === steps - 1;
  }

  // The event that is looked at, its messages in full.
  function renderEvent() {
    picture.querySelectorAll(".here").forEach((it) => it.classList.remove("here"));
    picture.querySelector(".cursor")?.remove();
    const row = rows.findIndex(({ step }) => step === here);
    event.hidden = row < 0;
    if (row < 0) return;
    const { step, arrows } = rows[row];
    const cursor = svg("rect", { class: "cursor", x: 0, y: TOP + ROW * (row - 0.5), width: "100%", height: ROW });
    picture.querySelector(".paper").after(cursor);
    for (const side of ["sent", "end"]) {
      picture.querySelectorAll(`[data-${side}="${step}"]`).forEach((it) => it.classList.add("here"));
    }
    event.replaceChildren(...arrows.flatMap((arrow) => {
      const line = document.createElement("p");
      line.textContent = `${way(arrow, names)}. Message ${arrow.id}, event ${step.toLocaleString("en")}.`;
      const body = document.createElement("pre");
      body.textContent = arrow.body;
      return [line, body];
    }));
  }

  // Looks at an event, in the window that is shown or in another one. Its lanes are shown, too.
  async function look(step) {
    here = step;
    if (!rows.some((row) => row.step === step)) {
      // What cannot be loaded is told where the window is opened.
      const arrows = await parts.at(step).catch(() => []);
      for (const { src, dest } of arrows) [src, dest].forEach((it) => hidden.delete(laneOf(it)));
      if (!(await open(step, BEFORE))) return;
    }
    remember();
    renderEvent();
    const row = rows.findIndex((it) => it.step === here);
    const y = TOP + ROW * row;
    const room = view.clientHeight;
    // Below the names of the lanes, and above the edge.
    if (y < view.scrollTop + 2 * TOP || y > view.scrollTop + room - TOP) view.scrollTop = y - room / 3;
  }

  // Browsers do not have the address change with every key.
  let remembering;
  function remember() {
    clearTimeout(remembering);
    remembering = setTimeout(() => window.history.replaceState(null, "", `#event-${here}`), 300);
  }

  function stepOn(direction) {
    const row = rows.findIndex(({ step }) => step === here);
    // The window of the event that is looked at may still be on its way.
    const next = here === null ? rows[0] : row < 0 ? undefined : rows[row + direction];
    if (next) look(next.step);
    else lookFrom(here + direction, direction);
  }

  // Looks at the next event that is shown.
  async function lookFrom(step, direction) {
    const [next] = await gather(step, direction, 1);
    if (next) look(next.step);
  }

  // To the marked message before or after the event that is looked at.
  function nextFound(direction) {
    const isSearch = search.querySelector("input").value.trim();
    const all = isSearch ? found : [...told.values()].sort((a, b) => a - b);
    const from = here ?? (direction > 0 ? -1 : steps);
    const next = direction > 0 ? all.find((step) => step > from) : all.findLast((step) => step < from);
    const around = next ?? (direction > 0 ? all[0] : all.at(-1));
    if (around !== undefined) look(around);
  }

  // Marks the messages that have what is searched for, in the window at once and then in the
  // whole run. Another search takes its place.
  let searching = 0;
  async function mark() {
    const own = ++searching;
    const wanted = search.querySelector("input").value.trim();
    const output = search.querySelector("output");
    isFound = wanted ? matcher(wanted) : () => false;
    found = [];
    render();
    output.value = "";
    if (!wanted) return;
    let cut = 0;
    try {
      for await (const [start, part] of parts.all()) {
        if (own !== searching) return;
        output.value = `searching, ${Math.round((100 * start) / steps)} %`;
        part.forEach((arrows, i) => {
          const sent = arrows.filter((arrow) => arrow.sent === start + i);
          if (sent.some(isFound)) found.push(start + i);
          if (sent.some(({ body }) => /… \(\d+ bytes\)$/.test(body))) cut += 1;
        });
      }
    } catch (error) {
      output.value = error.message;
      return;
    }
    if (own !== searching) return;
    const number = (n, name) => `${n.toLocaleString("en")} ${name}${n === 1 ? "" : "s"}`;
    output.value = number(found.length, "message") + (cut ? `; of ${number(cut, "long one")} only the beginning is kept` : "");
    renderWhole();
  }

  // The window as a file of its own.
  function save() {
    const copy = picture.cloneNode(true);
    copy.querySelectorAll(".cursor").forEach((it) => it.remove());
    // XML has no place for these, not even escaped.
    const text = new XMLSerializer().serializeToString(copy).replace(/[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, "\ufffd");
    return URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  }

  const keys = {
    ArrowDown: () => stepOn(1),
    ArrowUp: () => stepOn(-1),
    ArrowRight: () => follow((arrow) => arrow.ended),
    ArrowLeft: () => follow((arrow) => arrow.sent),
    Home: () => lookFrom(0, 1),
    End: () => lookFrom(steps - 1, -1),
    n: () => nextFound(1),
    N: () => nextFound(-1),
  };
  function follow(to) {
    const arrow = rows.find(({ step }) => step === here)?.arrows[0];
    if (arrow && to(arrow) !== null) look(to(arrow));
  }

  view.addEventListener("keydown", (pressed) => {
    const { key, altKey, ctrlKey, metaKey } = pressed;
    if (!keys[key] || altKey || ctrlKey || metaKey) return;
    pressed.preventDefault();
    keys[key]();
  });
  picture.addEventListener("click", (clicked) => {
    const message = clicked.target.closest(".message");
    if (message) look(Number(message.dataset.sent));
  });
  slider.addEventListener("input", () => open(Number(slider.value)));
  root.querySelectorAll(".window > button").forEach((it) => it.addEventListener("click", async () => {
    const next = it.value > 0 ? rows.at(-1).step + 1 : (await gather(rows[0].step - 1, -1, WINDOW))[0]?.step ?? 0;
    if (await open(next)) view.scrollTop = 0;
  }));
  search.addEventListener("submit", (event) => { event.preventDefault(); nextFound(1); });
  search.addEventListener("input", mark);
  search.querySelectorAll("button").forEach((it) => it.addEventListener("click", () => nextFound(Number(it.value))));
  document.querySelector("a.save").addEventListener("click", (clicked) => { clicked.target.href = save(); });

  const recall = () => {
    const [, step] = /^#event-(\d+)$/.exec(location.hash) ?? [];
    if (step === undefined) return;
    document.querySelector("#messages").scrollIntoView();
    look(Math.min(Number(step), steps - 1));
  };
  window.addEventListener("hashchange", recall);
  root.hidden = false;
  open(0).then(recall);
}
