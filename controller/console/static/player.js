// The recording's player: its outline is a slider over the <audio> element, one channel can be heard alone.
// Without this script the page still shows the outline, plays by the browser's own controls, and downloads.
"use strict";

for (const player of document.querySelectorAll(".player")) {
  const audio = player.querySelector("audio");
  const waves = player.querySelector(".waves");
  const seconds = Number(player.dataset.seconds);
  const step = Math.min(5, seconds / 20);

  const clock = (time) => `${Math.floor(time / 60)}:${String(Math.floor(time % 60)).padStart(2, "0")}`;

  const show = () => {
    const at = Math.min(audio.currentTime, seconds);
    waves.style.setProperty("--played", `${(100 * at) / seconds}%`);
    waves.setAttribute("aria-valuenow", at.toFixed(1));
    waves.setAttribute("aria-valuetext", `${clock(at)} of ${clock(seconds)}`);
  };

  const seek = (time) => {
    audio.currentTime = Math.max(0, Math.min(seconds, time));
    show();
  };

  const follow = () => {
    show();
    if (!audio.paused) requestAnimationFrame(follow);
  };

  const toggle = () => (audio.paused ? audio.play().catch(() => {}) : audio.pause());

  waves.tabIndex = 0;
  for (const [name, value] of Object.entries({
    role: "slider",
    "aria-label": "Position in the recording",
    "aria-valuemin": "0",
    "aria-valuemax": seconds.toFixed(1),
  })) {
    waves.setAttribute(name, value);
  }
  show();
  audio.addEventListener("play", follow);
  for (const event of ["timeupdate", "seeked", "pause", "ended"]) audio.addEventListener(event, show);

  const point = (event) => {
    const box = waves.querySelector("svg").getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * seconds);
  };
  waves.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    waves.setPointerCapture(event.pointerId);
    point(event);
  });
  waves.addEventListener("pointermove", (event) => {
    if (waves.hasPointerCapture(event.pointerId)) point(event);
  });

  const keys = {
    ArrowLeft: () => seek(audio.currentTime - step),
    ArrowDown: () => seek(audio.currentTime - step),
    ArrowRight: () => seek(audio.currentTime + step),
    ArrowUp: () => seek(audio.currentTime + step),
    PageDown: () => seek(audio.currentTime - 4 * step),
    PageUp: () => seek(audio.currentTime + 4 * step),
    Home: () => seek(0),
    End: () => seek(seconds),
    " ": toggle,
  };
  waves.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  // The audio goes through Web Audio only once a single channel is asked for: until then nothing can go wrong with it.
  let context, source, splitter;
  const hear = (channel) => {
    if (!context) {
      if (channel === 0) return;
      context = new AudioContext();
      source = context.createMediaElementSource(audio);
      splitter = context.createChannelSplitter(2);
    }
    source.disconnect();
    splitter.disconnect();
    if (channel === 0) {
      source.connect(context.destination);
    } else {
      source.connect(splitter);
      splitter.connect(context.destination, channel - 1);
    }
    context.resume();
    for (const wave of waves.children) {
      wave.classList.toggle("unheard", channel !== 0 && !wave.classList.contains(`channel-${channel}`));
    }
  };
  audio.addEventListener("play", () => context && context.resume());

  player.querySelector(".choices").hidden = false;
  for (const radio of player.querySelectorAll("input[name=channel]")) {
    radio.addEventListener("change", () => hear(Number(radio.value)));
  }
  player.querySelector("select[name=speed]").addEventListener("change", (event) => {
    audio.playbackRate = Number(event.target.value);
  });
}
