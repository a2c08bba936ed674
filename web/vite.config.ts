// Every page is a document of its own; what they share ends up in one hashed file each.
// The server sends `default-src 'none'; script-src 'self'; style-src 'self'`: nothing may be inlined.

import { fileURLToPath } from "node:url";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

const page = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export default defineConfig({
  base: "/static/",
  plugins: [svelte()],
  resolve: { alias: { $lib: page("src/lib") } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: [page("index.html"), page("candidate/index.html"), page("console/index.html")],
    },
  },
  test: { environment: "node", include: ["src/**/*.test.ts", "candidate/**/*.test.ts"] },
});
