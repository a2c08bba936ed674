// The form that makes an exam, a candidate and a session, and gives the personal link.

import { byId } from "$lib/dom.js";

// Said to the server with every consent recorded here: which text it was, by version and digest.
const NOTICE = "/candidate";

async function digestOfNotice() {
  const text = await (await fetch(NOTICE, { cache: "no-store" })).arrayBuffer();
  const digest = await crypto.subtle.digest("SHA-256", text);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function candidateId(api, reference) {
  try {
    return (await api.post("/v1/candidates", { external_ref: reference }, { once: true })).candidate_id;
  } catch (problem) {
    if (problem.status !== 409) throw problem;
  }
  let cursor = "";
  do {
    const page = await api.get(`/v1/candidates?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    const known = page.items.find((one) => one.external_ref === reference);
    if (known) return known.candidate_id;
    cursor = page.next;
  } while (cursor);
  throw new Error("This candidate exists but cannot be found.");
}

/** Wire the form to the API. */
export function prepareSetup(api, { onMade, onProblem }) {
  const say = (words) => { byId("creating").textContent = words; };
  const form = byId("new-session");
  const submit = async (event) => {
    event.preventDefault();
    const pictures = [...byId("new-pictures").files];
    byId("create").disabled = true;
    byId("made").hidden = true;
    onProblem(null);
    try {
      if (pictures.length && !byId("new-consent").checked) throw new Error("Pictures need the candidate's consent first.");
      say("Exam…");
      const exam = await api.post("/v1/exams", {
        title: byId("new-exam").value, policy: "standard", retention_days: Number(byId("new-retention").value),
      }, { once: true });
      say("Candidate…");
      const candidate = await candidateId(api, byId("new-candidate").value);
      if (byId("new-consent").checked) {
        await api.post(`/v1/candidates/${candidate}/consents`, {
          text_version: "1", text_sha256: await digestOfNotice(), locale: "en", method: "checkbox",
        }, { once: true });
      }
      if (pictures.length) {
        say("Enrolling…");
        await api.postImages(`/v1/candidates/${candidate}/enrolments`, pictures);
      }
      say("Session…");
      const { join_url: link } = await api.post("/v1/sessions", { exam_id: exam.exam_id, candidate_id: candidate }, { once: true });
      const address = new URL(link, window.location.href).href;
      byId("join-link").value = address;
      byId("open-link").href = address;
      byId("made").hidden = false;
      say("");
      onMade();
    } catch (problem) {
      say("");
      onProblem(problem);
    } finally {
      byId("create").disabled = false;
    }
  };
  const copy = async () => {
    await navigator.clipboard.writeText(byId("join-link").value).catch(() => byId("join-link").select());
  };
  form.addEventListener("submit", submit);
  byId("copy-link").addEventListener("click", copy);
  return () => {
    form.removeEventListener("submit", submit);
    byId("copy-link").removeEventListener("click", copy);
  };
}
