// The messages of the run, in parts that are loaded when they are needed.

// Each step of the run is an event: the sending of a message, or one of its ends. What a part
// has for a step are the arrows that begin or end there.
class Parts {
  // So many parts are kept; the others can be loaded again.
  static MOST = 30;
  #starts;
  #steps;
  #first;
  #kept = new Map();
  #arrived = new Map();

  // `starts` are the first steps of the parts, `steps` is how many there are in all, and `first`
  // is the first part.
  constructor(starts, steps, first) {
    this.#starts = starts;
    this.#steps = steps;
    this.#first = this.#bySteps(0, first);
    // What the files of the parts call.
    globalThis.part = (number, arrows) => this.#arrived.set(number, arrows);
  }

  // The arrows that begin or end at a step.
  async at(step) {
    const number = this.#starts.findLastIndex((start) => start <= step);
    return (await this.#get(number))[step - this.#starts[number]];
  }

  // All parts, one after the other: the first step, and the arrows of each step.
  async *all() {
    for (const [number, start] of this.#starts.entries()) yield [start, await this.#get(number)];
  }

  async #get(number) {
    if (number === 0) return this.#first;
    const part = this.#kept.get(number) ?? this.#load(number);
    // The one that was not wanted for the longest time is let go.
    this.#kept.delete(number);
    this.#kept.set(number, part);
    if (this.#kept.size > Parts.MOST) this.#kept.delete(this.#kept.keys().next().value);
    return part;
  }

  // A page from a disk may not fetch, but run scripts.
  #load(number) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `messages/${number}.js`;
      script.onload = () => {
        script.remove();
        resolve(this.#bySteps(number, this.#arrived.get(number)));
        this.#arrived.delete(number);
      };
      script.onerror = () => {
        script.remove();
        this.#kept.delete(number);
        reject(new Error(`${script.src} cannot be loaded`));
      };
      document.head.append(script);
    });
  }

  #bySteps(number, arrows) {
    const first = this.#starts[number];
    const past = this.#starts[number + 1] ?? this.#steps;
    const steps = Array.from({ length: past - first }, () => []);
    for (const [id, [src, dest], [sent, sentAt], end, fate, body] of arrows) {
      const [ended, endedAt] = end ?? [null, null];
      const arrow = { id, src, dest, sent, sentAt, ended, endedAt, fate, body };
      steps[sent - first]?.push(arrow);
      if (ended !== null) steps[ended - first]?.push(arrow);
    }
    return steps;
  }
}

// The fields of a JSON object as text, a name and a value each, up to where it was cut. Numbers
// keep all their digits.
function fields(json) {
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/gy;
  const found = [];
  let depth = 0;
  // The name and the value that are being read.
  let field = [];
  tokens.lastIndex = 0;
  for (let token; (token = nextToken(tokens, json)); ) {
    if ("}]".includes(token)) depth -= 1;
    if ((depth === 1 && token === ",") || depth === 0) {
      if (field.length === 2) found.push({ name: field[0].slice(1, -1), value: field[1] });
      field = [];
    } else if (depth > 1 || token !== ":") {
      const [name, value = ""] = field;
      field = name === undefined ? [token] : [name, value + token];
    }
    if ("{[".includes(token)) depth += 1;
  }
  return found;
}

function nextToken(tokens, text) {
  while (/\s/.test(text[tokens.lastIndex] ?? "")) tokens.lastIndex += 1;
  return tokens.exec(text)?.[0];
}

// Whether a body has what a reader searches for: a value, wherever it stands, or that of a
// field, as in `key 7`. An answer has the `msg_id` of its request as another field.
function matcher(wanted) {
  const exact = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const alone = (text) => `(?<![\\w-]|\\d\\.)${exact(text)}(?!\\w|\\.\\d)`;
  const [, name, value] = /^([\w-]+)[ :=]+(\S+)$/.exec(wanted) ?? [];
  const patterns = [alone(wanted)];
  if (name) {
    const names = name === "msg_id" ? "(?:msg_id|in_reply_to)" : exact(name);
    patterns.push(`"${names}"\\s*:\\s*"?${exact(value)}(?!\\w|\\.\\d)`);
  }
  const pattern = new RegExp(patterns.join("|"));
  return (arrow) => pattern.test(arrow.body);
}
