"use strict";
// The player of a track's page: what the controls and keys do, and what is shown of it.
(() => {
  const player = document.getElementById("player");
  const find = (id) => document.getElementById(id);
  const seconds = Number(player.dataset.seconds);
  const lanes = [...player.querySelectorAll(".lane[data-script]")];
  const mixer = new stemkit.Mixer(lanes.map((lane) => ({ off: "off" in lane.dataset })));
  const transport = new stemkit.Transport(mixer, () => show());
  stemkit.player = { mixer, transport };
  let chosen = Math.max(lanes.findIndex((lane) => !("off" in lane.dataset)), 0);
  let playWhenReady = false;
  let frame = 0;

  const clock = (time, digits = 1) => {
    const unit = 10 ** digits;
    const rest = Math.floor(time * unit + 1e-6) / unit;
    const pad = (number) => String(number).padStart(2, "0");
    const [minutes, tail] = [Math.floor(rest / 60), (rest % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")];
    return minutes < 60 ? `${minutes}:${tail}` : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${tail}`;
  };
  const decibels = (db) => {
    if (db <= stemkit.LEAST_DB) return "−∞ dB";
    return `${db < 0 ? "−" : db > 0 ? "+" : ""}${Math.abs(db).toFixed(1)} dB`;
  };
  const press = (button, pressed) => button.setAttribute("aria-pressed", String(pressed));

  // What is heard and shown after anything was changed.
  function show() {
    lanes.forEach((lane, number) => {
      press(lane.querySelector(".mute"), mixer.lanes[number].muted);
      press(lane.querySelector(".solo"), mixer.lanes[number].soloed);
      lane.classList.toggle("silent", !mixer.isHeard(number));
      lane.classList.toggle("chosen", number === chosen);
      showLevel(lane.querySelector(".lane-level"), mixer.lanes[number].db);
    });
    showLevel(find("master"), mixer.masterDb);
    player.classList.toggle("playing", transport.playing);
    find("play").querySelector(".word").textContent = transport.playing ? "Pause" : "Play";
    const { loop, looping } = transport;
    press(find("loop"), looping);
    find("range").textContent = loop ? `${clock(loop.start)} – ${clock(loop.end)}` : "whole track";
    showRange(loop, looping);
    transport.graph?.update();
    showPosition();
  }

  function showRange(range, looping) {
    find("lanes").classList.toggle("ranged", range !== null);
    find("lanes").classList.toggle("looping", looping);
    if (!range) return;
    find("lanes").style.setProperty("--range-start", `${(100 * range.start) / seconds}%`);
    find("lanes").style.setProperty("--range-end", `${(100 * range.end) / seconds}%`);
  }

  function showLevel(slider, db) {
    slider.value = db;
    slider.setAttribute("aria-valuetext", decibels(db));
    slider.nextElementSibling.textContent = decibels(db);
  }

  function showPosition() {
    const position = transport.heardPosition;
    find("time").textContent = clock(position);
    find("lanes").style.setProperty("--playhead", `${(100 * position) / seconds}%`);
    find("position").value = position;
    const spoken = `${clock(position, 0)} of ${clock(seconds, 0)}`;
    if (find("position").getAttribute("aria-valuetext") !== spoken) {
      find("position").setAttribute("aria-valuetext", spoken);
    }
  }

  function follow() {
    cancelAnimationFrame(frame);
    showPosition();
    if (transport.playing) frame = requestAnimationFrame(follow);
  }

  function togglePlay() {
    if (find("play").disabled) playWhenReady = !playWhenReady;
    else if (transport.playing) transport.pause();
    else transport.play();
    show();
    follow();
  }

  const seek = (time) => (transport.seek(time), show());
  const setLoop = (range, looping) => (transport.setLoop(range, looping), show());
  const toggleLoop = () => setLoop(transport.loop || { start: 0, end: seconds }, !transport.looping);
  const mute = (lane) => (mixer.toggleMute(lane), show());
  const solo = (lane, keepOthers) => (mixer.toggleSolo(lane, keepOthers), show());

  function choose(lane) {
    chosen = Math.min(Math.max(lane, 0), lanes.length - 1);
    lanes[chosen].scrollIntoView({ block: "nearest" });
    show();
  }

  function startLoopHere() {
    const end = transport.loop && transport.loop.end > transport.position ? transport.loop.end : seconds;
    setLoop({ start: transport.position, end }, transport.looping);
  }

  function endLoopHere() {
    const { loop, position } = transport;
    setLoop({ start: loop && loop.start < position ? loop.start : 0, end: position }, transport.looping);
  }

  function turnTo(id) {
    if (find(id)) location.href = find(id).href;
  }

  // Loading: each preview is a script, which hands its audio to takePreview.
  const waiting = new Map();
  stemkit.takePreview = (lane, text) => waiting.get(lane)?.(text);

  function loadPreview(lane) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      waiting.set(Number(lane.dataset.lane), resolve);
      script.onload = () => script.remove();
      script.onerror = () => reject(new Error("its preview is missing; build the review again"));
      script.src = lane.dataset.script;
      document.head.append(script);
    });
  }

  async function decode(text) {
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let place = 0; place < letters.length; place += 1) bytes[place] = letters.charCodeAt(place);
    try {
      return await new OfflineAudioContext(1, 1, stemkit.RATE).decodeAudioData(bytes.buffer);
    } catch {
      throw new Error("this browser can't decode Opus audio");
    }
  }

  async function load() {
    let loaded = 0;
    const buffers = lanes.map(async (lane) => {
      try {
        const buffer = await decode(await loadPreview(lane));
        loaded += 1;
        find("status").textContent = `Loading the stems: ${loaded} of ${lanes.length}`;
        return buffer;
      } catch (error) {
        throw new Error(`${lane.getAttribute("aria-label")} can't be played: ${error.message}`);
      }
    });
    try {
      transport.buffers = await Promise.all(buffers);
    } catch (error) {
      find("status").textContent = `${error.message}.`;
      find("status").classList.add("error");
      return;
    }
    find("play").disabled = find("position").disabled = false;
    find("status").textContent = "";
    player.dataset.ready = "";
    if (playWhenReady) togglePlay();
  }

  // The pointer: a click goes there, a drag makes a loop.
  for (const strip of player.querySelectorAll(".strip, .ticks")) {
    const timeAt = (event) => {
      const { left, width } = strip.getBoundingClientRect();
      return (seconds * Math.min(Math.max(event.clientX - left, 0), width)) / width;
    };
    let from = null;
    let dragged = null;
    strip.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.target.closest(".mark")) return;
      from = { x: event.clientX, time: timeAt(event) };
      dragged = null;
      strip.setPointerCapture(event.pointerId);
    });
    strip.addEventListener("pointermove", (event) => {
      if (!from || (!dragged && Math.abs(event.clientX - from.x) < 5)) return;
      const time = timeAt(event);
      dragged = { start: Math.min(from.time, time), end: Math.max(from.time, time) };
      showRange(dragged, true);
    });
    strip.addEventListener("pointerup", () => {
      if (dragged) setLoop(dragged, true);
      else if (from) seek(from.time);
      from = null;
    });
    strip.addEventListener("pointercancel", () => {
      from = null;
      show();
    });
  }

  lanes.forEach((lane, number) => {
    lane.querySelector(".mute").addEventListener("click", () => mute(number));
    lane.querySelector(".solo").addEventListener("click", (event) => solo(number, event.shiftKey));
    lane.addEventListener("focusin", () => ((chosen = number), show()));
    lane.addEventListener("pointerdown", () => ((chosen = number), show()));
    const level = lane.querySelector(".lane-level");
    level.addEventListener("input", () => ((mixer.lanes[number].db = Number(level.value)), show()));
    level.addEventListener("dblclick", () => ((mixer.lanes[number].db = 0), show()));
  });
  find("master").addEventListener("input", (event) => ((mixer.masterDb = Number(event.target.value)), show()));
  find("master").addEventListener("dblclick", () => ((mixer.masterDb = 0), show()));
  find("position").addEventListener("input", (event) => seek(Number(event.target.value)));
  find("play").addEventListener("click", togglePlay);
  find("loop").addEventListener("click", toggleLoop);
  find("loop-start").addEventListener("click", startLoopHere);
  find("loop-end").addEventListener("click", endLoopHere);
  find("help").addEventListener("click", () => find("keys").showModal());
  for (const button of document.querySelectorAll(".jump, .mark")) {
    button.addEventListener("click", () => jump(button));
  }
  for (const button of document.querySelectorAll(".loop-this")) {
    button.addEventListener("click", () => {
      setLoop({ start: Number(button.dataset.start), end: Number(button.dataset.end) }, true);
      if (!transport.playing) togglePlay();
    });
  }
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      press(button, player.classList.toggle(`show-${button.dataset.show}`));
    });
  }

  function jump(button) {
    const lane = lanes.findIndex((one) => one.getAttribute("aria-label") === button.dataset.stem);
    if (lane >= 0) choose(lane);
    seek(Number(button.dataset.start));
  }

  // Whoever clicks a button goes on with the keys of the page: space plays, and nothing else.
  document.addEventListener("mousedown", (event) => {
    if (!event.target.closest("button")) return;
    event.preventDefault();
    document.activeElement.blur();
  });

  const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];

  function belongsTo(element, key) {
    if (element.matches("input[type=range]")) return ARROWS.includes(key);
    if (element.matches("button, a, summary")) return key === " " || key === "Enter";
    return element.matches("input, textarea, select, [contenteditable]");
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || find("keys").open) return;
    if (belongsTo(event.target, event.key)) return;
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1];
    const lane = digit ? lanes.findIndex((one) => one.dataset.key === digit) : -1;
    const action = lane >= 0 ? () => solo(lane, event.shiftKey) : actions[event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  });

  const step = (event) => (event.shiftKey ? 1 : 5);
  const actions = {
    " ": togglePlay,
    ArrowLeft: (event) => seek(transport.position - step(event)),
    ArrowRight: (event) => seek(transport.position + step(event)),
    ArrowUp: () => choose(chosen - 1),
    ArrowDown: () => choose(chosen + 1),
    Home: () => seek(0),
    End: () => seek(seconds),
    "[": startLoopHere,
    "]": endLoopHere,
    "?": () => find("keys").showModal(),
    l: toggleLoop,
    m: () => mute(chosen),
    n: () => turnTo("after"),
    p: () => turnTo("before"),
    s: () => solo(chosen, false),
  };

  show();
  load();
})();
