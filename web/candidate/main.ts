// The candidate's page: what is told and agreed to, the check, the enrolment, and a calm word on what we see.

import { mount } from "svelte";
import App from "./App.svelte";
import { Exam } from "./exam.svelte";
import { openLanguage } from "./language.svelte";

await openLanguage();
const exam = new Exam();
mount(App, { target: document.body, props: { exam } });
await exam.begin();
