// The console of those who watch, review and run exams: one document, its views by address.

import { mount } from "svelte";
import App from "./App.svelte";
import { words } from "./words.svelte";

await words.begin();
const target = document.getElementById("app");
if (!target) throw new Error("the page has no #app");
mount(App, { target });
