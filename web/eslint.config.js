import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";

export default ts.config(
  { ignores: ["dist/", "node_modules/"] },
  js.configs.recommended,
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  { languageOptions: { globals: { ...globals.browser } } },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser } },
    rules: {
      "svelte/no-at-html-tags": "error",
      // The policy of content refuses style attributes; `style:name={...}` is set through the CSSOM and is not one.
      "no-restricted-syntax": ["error", { selector: "SvelteAttribute[key.name='style']", message: "The Content-Security-Policy refuses style attributes; use style:name." }],
    },
  },
);
