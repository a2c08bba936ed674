// The candidate's page: notice and agreement, camera, connection, and a calm word on what we can see.

import { Api, ApiProblem, takeFragment } from "$lib/api.js";
import { byId, fill, make } from "$lib/dom.js";
import { LiveSocket } from "$lib/live.js";
import { sightWords } from "$lib/words.js";
import { Camera } from "./camera.js";
import { Link } from "./link.js";

const KEPT = "proctor.candidate";   // this tab only; lets a reload resume without a new link
const MEDIA = { width: 320, height: 240, fps: 5, max_kbps: 250 };
const PHASES = {
  no_link: ["No link", ""], joining: ["Opening", "wait"], notice: ["Please read", ""], connecting: ["Connecting", "wait"],
  live: ["Connected", "good"], reconnecting: ["Reconnecting", "wait"], ended: ["Ended", ""], left: ["Left", ""],
  elsewhere: ["Open in another tab", "wait"], refused: ["Not open", "wait"],
};

/** What tests and the curious may look at. `video`, `audio` ({state, reason}) and `send` are as the server said last. */
const state = { session: null, epoch: 0, phase: "joining", video: null, audio: null, send: null };
window.proctorState = state;

let joined = null;
let link = null;
let control = null;
let camera = null;
let wakeLock = null;
const tabs = new BroadcastChannel("proctor.candidate");
const me = crypto.randomUUID();

function show(...ids) {
  for (const id of ["nothing", "notice", "room", "ending"]) byId(id).hidden = !ids.includes(id);
}

function setPhase(phase) {
  if (["ended", "left", "refused", "elsewhere"].includes(state.phase) && ["live", "reconnecting"].includes(phase)) return;
  state.phase = phase;
  const [words, tone] = PHASES[phase];
  byId("phase").textContent = words;
  byId("phase").dataset.tone = tone;
}

function tell(problem) {
  byId("problem").hidden = !problem;
  byId("problem").textContent = problem ? problem.message : "";
}

function showSense(modality, status) {
  const before = state[modality];
  state[modality] = status ?? null;
  const [heading, advice] = sightWords(modality, status);
  const card = byId(`sense-${modality}`);
  card.dataset.state = status?.state ?? "waiting";
  fill(card, card.querySelector(".icon"), make("h2", {}, heading), make("p", {}, advice));
  if (status && (before?.state !== status.state || before?.reason !== status.reason)) byId("spoken").textContent = `${heading}. ${advice}`;
}

function keep() {
  sessionStorage.setItem(KEPT, JSON.stringify(joined));
}

function kept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  } catch {
    return null;
  }
}

function finish(phase, heading, words, canReturn = false) {
  link?.stop(phase === "left");
  control?.close();
  camera?.stop();
  wakeLock?.release().catch(() => {});
  link = control = camera = null;
  if (phase === "ended") sessionStorage.removeItem(KEPT);
  setPhase(phase);
  tell(null);
  byId("ending-title").textContent = heading;
  byId("ending-text").textContent = words;
  byId("again").hidden = !canReturn;
  show("ending");
  byId("ending-title").focus();
}

function refused(problem) {
  if (problem.status === 409) {
    finish("ended", "Your session has ended", "Your camera and microphone are off. You can close this page.");
    return;
  }
  sessionStorage.removeItem(KEPT);
  finish("refused", "This session is not open to this page", `${problem.message} Ask your exam office for a new link; nothing is lost.`);
}

function heard(message) {
  if (message.type === "status") {
    showSense("video", message.video);
    showSense("audio", message.audio);
    link?.status(message);
  } else if (message.type === "reconnect") {
    link?.reconnect(message.epoch);
  } else if (message.type === "send") {
    const { width, height, fps, max_kbps } = message;
    state.send = { width, height, fps, max_kbps };
    link?.tune(state.send).catch(() => {});   // a connection that just closed: the next one begins with it
  } else if (message.type === "ended") {
    finish("ended", "Your session has ended", "Thank you. Your camera and microphone are off. You can close this page.");
  }
}

function report(name) {
  control?.send({ type: "event", name });
}

async function stayAwake() {
  try {
    wakeLock = await navigator.wakeLock?.request("screen") ?? null;
  } catch {
    wakeLock = null;   // a page in the background may not ask; the exam goes on
  }
}

function enter() {
  joined.agreed = true;
  keep();
  const api = new Api(joined.token);
  const media = { ...MEDIA, ...joined.media };
  show("room");
  setPhase("connecting");
  showSense("video", null);
  showSense("audio", null);
  if (!byId("reminder").querySelector(".notice")) byId("reminder").append(byId("notice-text").cloneNode(true));
  tabs.postMessage({ session: joined.session_id, from: me });
  camera = new Camera(media, (event) => {
    if (event === "lost") { report("device_changed"); link?.again(); } else report(event);
  });
  link = new Link({
    api, camera, media, whipUrl: new URL(joined.whip_url, window.location.href).pathname, iceServers: joined.ice_servers ?? [],
    onPhase: setPhase, onEpoch: (epoch) => { if (state.epoch) control?.again(); state.epoch = epoch; }, onRefused: refused, onProblem: tell,
    onStream: (stream) => { if (byId("preview").srcObject !== stream) byId("preview").srcObject = stream; },
  });
  control = new LiveSocket(api, "/v1/live/session", {
    onMessage: heard,
    onRefused: () => tell(new Error("We can no longer tell you here what we see. Your session goes on.")),
  });
  link.run();
  control.run();
  stayAwake();
}

function offerNotice() {
  if (joined.exam?.title) byId("exam-title").textContent = joined.exam.title;
  if (joined.exam?.retention_days) byId("retention").textContent = `${joined.exam.retention_days} days`;
  setPhase("notice");
  show("notice");
}

async function begin() {
  const fragment = takeFragment();
  const ticket = fragment.get("ticket");
  const isAutomatic = fragment.get("auto") === "1";
  joined = kept();
  if (ticket) {
    try {
      joined = { ...(await new Api().post("/v1/join", { ticket })), agreed: false };
      keep();
    } catch (problem) {
      if (!joined) {
        if (problem instanceof ApiProblem && problem.retryable) tell(problem);
        else tell(new Error("This link was used already or is too old."));
      }
    }
  }
  if (!joined) {
    setPhase("no_link");
    show("nothing");
    return;
  }
  state.session = joined.session_id;
  offerNotice();
  if (isAutomatic) byId("reminder").open = true;
  if (isAutomatic || joined.agreed) enter();
}

byId("agreement").addEventListener("submit", (event) => {
  event.preventDefault();
  enter();
});
byId("leave").addEventListener("click", () => {
  finish("left", "You have left the session", "Your camera and microphone are off. The session is still open: you can come back.", true);
});
byId("again").addEventListener("click", () => {
  state.phase = "joining";
  enter();
});
tabs.addEventListener("message", ({ data }) => {
  if (data.session !== state.session || data.from === me || !link) return;
  finish("elsewhere", "Your exam is open in another tab", "This tab has stepped back, so that the two do not take the connection from each other.", true);
});
document.addEventListener("visibilitychange", () => {
  report(document.hidden ? "page_hidden" : "page_shown");
  if (!document.hidden && link) stayAwake();
});
window.addEventListener("pagehide", () => link?.peer?.leave());
begin();
