// Who reads a report's page in a test.
async function ask(address, read) {
  const frame = document.createElement("iframe");
  Object.assign(frame.style, { width: "1280px", height: "1000px" });
  const loaded = new Promise((resolve) => (frame.onload = resolve));
  frame.src = address;
  document.body.append(frame);
  await loaded;
  const [page, window] = [frame.contentDocument, frame.contentWindow];
  const find = (selector) => page.querySelector(selector);
  const all = (selector) => [...page.querySelectorAll(selector)];
  const until = async (condition) => {
    for (let tries = 0; tries < 1000; tries++) {
      const met = condition();
      if (met) return met;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`${address}: in vain until ${condition}`);
  };
  const press = (key) => find(".lamport-view").dispatchEvent(new window.KeyboardEvent("keydown", { key }));
  const saved = async () => {
    const link = find("a.save");
    link.addEventListener("click", (event) => event.preventDefault(), { once: true });
    link.click();
    return (await fetch(link.href)).text();
  };
  await until(() => find(".lamport .paper"));
  const answer = await read({ page, window, find, all, until, press, saved });
  frame.remove();
  const line = document.createElement("pre");
  line.textContent = JSON.stringify(answer ?? null);
  document.body.append(line);
}
