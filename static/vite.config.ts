// How the pages are built into dist/.
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { hlsAlias, hlsDefine, leaveOutFunctions, leaveOutLogging, leaveOutUnused } from "./hls-build.ts";

// The emoji picker puts a <style> into its shadow tree and sets style attributes, which the page's policy forbids; the
// same rules as a sheet that a script makes, and as properties that a script sets, are allowed. Its English goes too: it
// is told its words in the reader's language.
const PICKER = [
  [
    "const style = document.createElement('style');\n    style.textContent = baseStyles + EXTRA_STYLES;\n    this.shadowRoot.appendChild(style);",
    "const sheet = new CSSStyleSheet(); sheet.replaceSync(baseStyles + EXTRA_STYLES); this.shadowRoot.adoptedStyleSheets = [sheet];",
  ],
  [
    "targetNode.setAttribute(attributeName, newValue);",
    "if (attributeName === 'style') targetNode.style.cssText = newValue; else targetNode.setAttribute(attributeName, newValue);",
  ],
  ["i18n: enI18n,", ""],
] as const;
const fitEmojiPicker: Plugin = {
  name: "fit-emoji-picker",
  enforce: "pre",
  transform(code, id) {
    if (!id.includes("/emoji-picker-element/picker.js")) return null;
    return {
      code: PICKER.reduce((changed, [its, ours]) => {
        if (!changed.includes(its)) this.error(`emoji-picker-element has no longer: ${its}`);
        return changed.replace(its, ours);
      }, code),
      map: null,
    };
  },
};

export default defineConfig({
  plugins: [leaveOutUnused, leaveOutFunctions, leaveOutLogging, fitEmojiPicker],
  resolve: { alias: hlsAlias },
  define: hlsDefine,
  css: {
    transformer: "lightningcss",
    // Versions as major << 16; older browsers get light-dark() and logical properties in words that they know.
    lightningcss: { targets: { chrome: 111 << 16, firefox: 115 << 16, safari: (15 << 16) | (4 << 8) } },
  },
  build: {
    target: "es2022",
    // Inlined files would be data: URLs, which the page's content security policy allows for images only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 450,
    rolldownOptions: {
      input: ["index.html", "admin.html"].map((name) => fileURLToPath(new URL(name, import.meta.url))),
      // A chunk of its own that imports nothing of ours: its name, and with it the browser's copy, outlives our changes.
      output: {
        codeSplitting: {
          groups: [
            { name: "hlsjs", test: /node_modules\/hls\.js\/|left-out:|player\/emitter/ },
            // Small, and shared by what comes at once and what comes later: files of their own would weigh twice as much.
            {
              name: "shared",
              test: /src\/(words|state|format|kit\/(icon|lazy|menu|taste|theme|use-now)|player\/(preferences|latency-mode|session|early-playlist|engines)|viewer\/(safe-html|tabs))\./,
            },
            // The same, of what only comes later.
            { name: "parts", test: /src\/(agent|api\/client|chat\/token|kit\/(button|copy|dialog|moment|resource)|player\/backoff)\./ },
            { name: "talk", test: /src\/chat\/(body|colors)\./ },
          ],
        },
      },
    },
  },
  test: {
    include: ["tests/**/*.test.ts"],
    setupFiles: ["tests/setup.ts"],
  },
});
