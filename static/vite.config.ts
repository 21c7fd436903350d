// How the pages are built into dist/. hls.js is compiled from its own sources, so that what this page never uses
// (subtitles, DRM, interstitials, content steering) is left out while separate audio renditions stay in: its
// "light" build has no alternate audio, and its full build is half as large again.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const hlsDirectory = fileURLToPath(new URL("./node_modules/hls.js/", import.meta.url));
const hlsVersion = (JSON.parse(readFileSync(`${hlsDirectory}package.json`, "utf8")) as { version: string }).version;

const HLS_FEATURES = {
  ALT_AUDIO: true,
  MEDIA_CAPABILITIES: true,
  CMCD: false,
  CONTENT_STEERING: false,
  EME_DRM: false,
  IFRAMES: false,
  INTERSTITIALS: false,
  M2TS_ADVANCED_CODECS: false,
  SUBTITLES: false,
  VARIABLE_SUBSTITUTION: false,
};

// Left out as whole modules. The worker: our segments are fragmented MP4, which hls.js appends nearly as it is, so a
// worker would cost a second copy of the demuxers and a message per part, and save nothing. CMCD: the player's id
// travels in a header that the page sets itself.
const UNUSED = /\/(transmuxer-worker|cmcd-controller)$/;
const EMPTY = "\0empty";
const leaveOutUnused: Plugin = {
  name: "leave-out-unused",
  enforce: "pre",
  resolveId: (id) => (UNUSED.test(id) ? EMPTY : null),
  load: (id) => (id === EMPTY ? "export default undefined;" : null),
};

export default defineConfig({
  plugins: [leaveOutUnused],
  resolve: {
    alias: [{ find: /^hls\.js$/, replacement: `${hlsDirectory}src/hls.ts` }],
  },
  define: {
    ...Object.fromEntries(Object.entries(HLS_FEATURES).map(([name, on]) => [`__USE_${name}__`, String(on)])),
    __IN_WORKER__: "false",
    __HLS_WORKER_BUNDLE__: "undefined",
    __VERSION__: JSON.stringify(hlsVersion),
  },
  build: {
    target: "es2022",
    // Inlined files would be data: URLs, which the page's content security policy allows for images only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 450,
    rolldownOptions: {
      // A chunk of its own that imports nothing of ours: its name, and with it the browser's copy, outlives our changes.
      output: {
        codeSplitting: { groups: [{ name: "hlsjs", test: /node_modules\/(hls\.js|eventemitter3|url-toolkit|@svta)\// }] },
      },
    },
  },
  test: {
    include: ["tests/**/*.test.ts"],
  },
});
