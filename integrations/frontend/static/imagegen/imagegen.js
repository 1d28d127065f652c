// A picture of the cart: the dialog's behaviour. No framework, nothing inline; serves as it stands.
//
// Who the shopper is and what is in the cart is known to the server alone; this page sends a style, a shape,
// and the background that it uploaded before.
(() => {
  "use strict";

  const MAX_SIDE = 2048; // what the service keeps of a background
  const MAX_BYTES = 4 * 1024 * 1024;
  const POLL_FIRST = 600;
  const POLL_LONGEST = 4000;
  const POLL_HIDDEN = 15000;
  const PATIENCE = 4 * 60 * 1000; // a drawing takes at most two minutes, and may wait in line before
  const REMEMBERED = "imagegen.running";

  const root = document.getElementById("imagegen");
  if (!root || typeof HTMLDialogElement === "undefined") return;
  const base = root.dataset.base;
  const part = (name) => document.getElementById(`imagegen-${name}`);
  const dialog = part("dialog");
  const form = part("form");
  const file = part("background");

  // What a shopper is told. `again`: the same may work in a moment; `background`: the photo is to blame.
  const FAULTS = {
    CART_EMPTY: { words: "Your cart is empty. Put something into it, then come back for your picture." },
    PRODUCTS_UNKNOWN: { words: "The shop does not sell the products in your cart any more." },
    INVALID_CART_ITEMS: { words: "There are too many different products in your cart for one picture." },
    IMAGE_TOO_LARGE: { words: "This photo is too large. Please choose a smaller one.", background: true },
    IMAGE_UNREADABLE: { words: "This photo cannot be read. Please choose another one.", background: true },
    UNSUPPORTED_FORMAT: { words: "Please choose a JPEG, PNG or WebP photo.", background: true },
    URL_NOT_ALLOWED: { words: "Your background is not kept any more. Please choose it again.", background: true },
    BACKGROUND_EXPIRED: { words: "Your background is not kept any more. Please choose it again.", background: true },
    BACKGROUND_UNREADABLE: { words: "Your background cannot be read. Please choose another one.", background: true },
    TOO_SLOW: { words: "Your photo took too long to arrive. Please try again.", again: true },
    CONTENT_BLOCKED: {
      words: "The image model declined to draw this. Another style or background may work.",
    },
    CANCELLED: { words: "The drawing was stopped.", again: true },
    NOT_FOUND: { words: "This picture is not kept any more. You can make a new one.", again: true },
    OVERLOADED: { words: "Many pictures are being drawn right now. Please try again in a moment.", again: true },
    STORAGE_FULL: { words: "There is no room for more pictures at the moment. Please try again later.", again: true },
    QUOTA_EXHAUSTED: { words: "The image model is busy for now. Please try again later.", again: true },
    UNAVAILABLE: { words: "The picture service is not there at the moment. Please try again.", again: true },
    OFFLINE: { words: "The shop cannot be reached. Are you online?", again: true },
  };
  const AWAY = { words: "The image model did not answer. Please try again.", again: true };
  const UNKNOWN = { words: "Your picture could not be drawn. Nothing in your cart has changed.", again: true };

  const STAGES = {
    queued: "Waiting for a free easel…",
    gathering: "Collecting your products…",
    drawing: "Drawing your picture…",
    finishing: "Adding the last touches…",
    storing: "Hanging it up…",
  };

  const STYLES = { "1:1": "is-square", "4:3": "is-wide", "3:4": "is-tall" };

  let photo = null; // the photo as it will be sent: a Blob
  let uploaded = ""; // where it is, once it was sent
  let order = null; // { id, shape, style } of the drawing that is followed
  let turn = 0; // counts up, so that what was abandoned falls silent
  let picking = 0; // the same for what was picked
  let ready = Promise.resolve(); // when the picked photo is fit to be sent

  // ---- The server ----

  // Answers { state }, or { fault, after, passing }: `passing` means that the same may work in a moment.
  async function ask(path, options = {}) {
    const { seconds = 20, ...rest } = options;
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), seconds * 1000);
    try {
      const answer = await fetch(base + path, { credentials: "same-origin", signal: stop.signal, ...rest });
      const state = await answer.json().catch(() => ({}));
      if (answer.ok && state.status) return { state };
      const passing = answer.ok || answer.status === 429 || answer.status >= 500;
      return { fault: state.reason || "INTERNAL", after: Number(answer.headers.get("Retry-After")) || 0, passing };
    } catch {
      return { fault: stop.signal.aborted ? "UNAVAILABLE" : "OFFLINE", after: 0, passing: true };
    } finally {
      clearTimeout(timer);
    }
  }

  const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

  function newKey() {
    // Not randomUUID, which plain http does not have.
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // ---- The views ----

  const BUTTONS = { progress: "Watch it being drawn", result: "Show my picture" };
  const NEWS = { progress: "Your picture is being drawn.", result: "Your picture is ready.", failure: "Your picture could not be drawn." };

  function show(view) {
    for (const name of ["form", "progress", "result", "failure"]) part(name).hidden = name !== view;
    part("open").textContent = BUTTONS[view] || "Generate image";
    part("news").textContent = dialog.open ? "" : NEWS[view] || "";
  }

  function say(words) {
    // Said again only when it changed: a screen reader speaks at each change.
    if (part("words").textContent !== words) part("words").textContent = words;
  }

  function fail(reason, state = {}) {
    turn += 1;
    forget();
    const fault = FAULTS[reason] || (reason.startsWith("ENGINE_") ? AWAY : UNKNOWN);
    if (fault.background) return refuse(fault.words);
    part("sorry").textContent = fault.words;
    part("sorry").dataset.reason = reason;
    part("again").hidden = !fault.again;
    show("failure");
    (fault.again ? part("again") : part("back")).focus();
    if (state.message) console.info(`imagegen: ${reason}: ${state.message}`);
    return undefined;
  }

  // The photo is to blame: back to the form, where it can be changed.
  function refuse(words) {
    turn += 1;
    dropPhoto();
    show("form");
    part("warning").textContent = words;
    part("warning").hidden = false;
    file.focus();
  }

  // ---- The background ----

  function pick(files) {
    if (files.length) ready = takePhoto(files[0], ++picking);
  }

  async function takePhoto(chosen, mine) {
    part("warning").hidden = true;
    if (!/^image\/(jpeg|png|webp)$/.test(chosen.type)) return refuse(FAULTS.UNSUPPORTED_FORMAT.words);
    const made = await smaller(chosen);
    if (mine !== picking) return undefined;
    if (made.size > MAX_BYTES) return refuse(FAULTS.IMAGE_TOO_LARGE.words);
    photo = made;
    uploaded = "";
    part("remove").hidden = false;
    return undefined;
  }

  // At most MAX_SIDE a side, the right way up: a phone's photo need not travel whole. Shows the preview too.
  async function smaller(chosen) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(chosen);
    } catch {
      return chosen; // the service will say what is wrong with it
    }
    try {
      preview(bitmap);
      const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
      if (scale === 1 && chosen.size <= MAX_BYTES / 2) return chosen;
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(bitmap.width * scale));
      canvas.height = Math.max(1, Math.round(bitmap.height * scale));
      const pen = canvas.getContext("2d");
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.imageSmoothingQuality = "high";
      pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      const made = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
      return made || chosen;
    } finally {
      bitmap.close();
    }
  }

  function preview(bitmap) {
    const canvas = part("preview");
    canvas.width = 336;
    canvas.height = 252;
    const scale = Math.max(canvas.width / bitmap.width, canvas.height / bitmap.height);
    const width = bitmap.width * scale;
    const height = bitmap.height * scale;
    canvas.getContext("2d").drawImage(bitmap, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
    canvas.hidden = false;
  }

  function dropPhoto() {
    picking += 1;
    photo = null;
    uploaded = "";
    file.value = "";
    part("preview").hidden = true;
    part("remove").hidden = true;
  }

  async function upload(mine) {
    if (!photo || uploaded) return true;
    say("Sending your background…");
    const sent = await ask("/backgrounds", {
      method: "POST", body: photo, headers: { "Content-Type": photo.type }, seconds: 60,
    });
    if (mine !== turn) return false;
    const reason = sent.fault || (sent.state.status === "success" ? "" : sent.state.reason);
    if (reason) {
      fail(reason, sent.state);
      return false;
    }
    uploaded = sent.state.background;
    return true;
  }

  // ---- The drawing ----

  async function start() {
    const choice = new FormData(form);
    const shape = choice.get("shape");
    const style = choice.get("style");
    const mine = ++turn;
    begin(shape);
    await ready;
    if (mine !== turn || !(await upload(mine))) return;
    say(STAGES.queued);
    // One key for one wish: however often it is sent, it is one drawing.
    const body = JSON.stringify({ style, shape, background: uploaded, key: newKey() });
    for (let attempt = 1; ; attempt += 1) {
      const sent = await ask("/generations", { method: "POST", body, headers: { "Content-Type": "application/json" } });
      if (mine !== turn) return;
      if (!sent.fault) {
        order = { id: sent.state.id, shape, style };
        await follow(mine, sent.state);
        return;
      }
      if (!sent.passing || attempt === 3) {
        fail(sent.fault);
        return;
      }
      await pause(Math.max(1500 * attempt, sent.after * 1000));
      if (mine !== turn) return;
    }
  }

  function begin(shape) {
    part("easel").className = `imagegen-easel ${STYLES[shape] || ""}`;
    part("bar").value = 0;
    part("note").hidden = false;
    part("wait").hidden = true;
    part("warning").hidden = true;
    show("progress");
    part("title").focus();
  }

  async function follow(mine, first) {
    remember();
    const begun = Date.now();
    let delay = POLL_FIRST;
    let state = first;
    let seen = -1;
    while (state.status === "processing") {
      say(STAGES[state.stage] || STAGES.drawing);
      part("bar").value = Math.max(part("bar").value, state.progress || 0);
      if (Date.now() - begun > PATIENCE) {
        tire();
        return;
      }
      // Often while it moves, seldom while it stands still, hardly ever while nobody looks.
      delay = state.progress === seen ? Math.min(delay * 1.5, POLL_LONGEST) : POLL_FIRST;
      seen = state.progress;
      await pause(document.hidden ? POLL_HIDDEN : delay);
      if (mine !== turn) return;
      const asked = await ask(`/generations/${encodeURIComponent(order.id)}`);
      if (mine !== turn) return;
      if (!asked.fault) state = asked.state;
      else if (!asked.passing) return void fail(asked.fault);
      else {
        say("The connection is slow. Your picture is drawn all the same…");
        await pause(Math.max(POLL_LONGEST / 2, asked.after * 1000));
        if (mine !== turn) return;
      }
    }
    if (state.status === "completed" && ours(state.image)) finish(state);
    else fail(state.status === "not_found" ? "NOT_FOUND" : state.reason || "INTERNAL", state);
  }

  function tire() {
    say("This takes longer than usual.");
    part("note").hidden = true;
    part("wait").hidden = false;
  }

  // Only a picture, and only from here or over https: whatever the answer says, no script is run by it.
  function ours(address) {
    try {
      const url = new URL(address, window.location.href);
      return url.origin === window.location.origin || url.protocol === "https:";
    } catch {
      return false;
    }
  }

  function finish(state) {
    const picture = part("picture");
    const mine = turn;
    say("Ready");
    part("bar").value = 100;
    picture.onload = () => {
      if (mine !== turn) return;
      picture.alt = `The products of your cart, together in one picture, in the ${order.style} style`;
      part("caption").textContent = caption(state);
      const url = new URL(state.image, window.location.href);
      const name = `my-cart${url.pathname.slice(url.pathname.lastIndexOf("."))}`;
      if (url.origin === window.location.origin) url.searchParams.set("download", "1");
      part("download").href = url.href;
      part("download").download = name;
      show("result");
      part("download").focus();
    };
    picture.onerror = () => mine === turn && fail("UNAVAILABLE");
    picture.src = state.image;
  }

  function caption(state) {
    const made = state.engine === "compositor"
      ? "Put together from the shop's own photos of your products."
      : "Drawn by an AI model: details may differ from the products.";
    if (!state.left_out) return made;
    const missing = state.left_out === 1
      ? "One product is not shown: the shop does not sell it any more."
      : `${state.left_out} products are not shown: the shop does not sell them any more.`;
    return `${made} ${missing}`;
  }

  // ---- A page that is loaded again finds its drawing ----

  function remember() {
    try {
      if (order.id) sessionStorage.setItem(REMEMBERED, JSON.stringify(order));
    } catch { /* storage is switched off: then it is forgotten */ }
  }

  function forget() {
    try {
      sessionStorage.removeItem(REMEMBERED);
    } catch { /* as above */ }
  }

  async function resume() {
    try {
      order = JSON.parse(sessionStorage.getItem(REMEMBERED) || "null");
    } catch { /* as above */ }
    if (!order || !order.id) return;
    const mine = ++turn;
    const asked = await ask(`/generations/${encodeURIComponent(order.id)}`);
    if (mine !== turn || asked.fault) return;
    if (asked.state.status === "not_found" || asked.state.status === "failed") return void forget();
    part("easel").className = `imagegen-easel ${STYLES[order.shape] || ""}`;
    show("progress");
    await follow(mine, asked.state);
  }

  // ---- The controls ----

  part("open").addEventListener("click", () => dialog.showModal());
  part("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => part("open").focus());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  file.addEventListener("change", () => pick(file.files));
  part("remove").addEventListener("click", () => {
    dropPhoto();
    file.focus();
  });
  part("again").addEventListener("click", start);
  for (const name of ["back", "another"]) {
    part(name).addEventListener("click", () => {
      turn += 1;
      forget();
      show("form");
      part("title").focus();
    });
  }
  part("wait").addEventListener("click", () => {
    const mine = ++turn;
    part("wait").hidden = true;
    part("note").hidden = false;
    follow(mine, { status: "processing" });
  });
  const drop = part("drop");
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("is-over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("is-over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("is-over");
    pick(event.dataTransfer.files);
  });

  root.hidden = false;
  resume();
})();
