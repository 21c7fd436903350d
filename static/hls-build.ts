// How hls.js gets into the build: compiled from its own sources, so that what this page never uses is left out while
// separate audio renditions stay in. Its "light" build has no alternate audio, its full build is half as large again.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

const directory = fileURLToPath(new URL("./node_modules/hls.js/", import.meta.url));
const version = (JSON.parse(readFileSync(`${directory}package.json`, "utf8")) as { version: string }).version;
const SOURCES = "/hls.js/src/";

export const hlsAlias = [
  { find: /^hls\.js$/, replacement: `${directory}src/hls.ts` },
  { find: /^eventemitter3$/, replacement: fileURLToPath(new URL("./src/player/emitter.ts", import.meta.url)) },
];

const FEATURES = {
  ALT_AUDIO: true,
  CMCD: false,
  CONTENT_STEERING: false,
  EME_DRM: false,
  IFRAMES: false,
  INTERSTITIALS: false,
  M2TS_ADVANCED_CODECS: false,
  MEDIA_CAPABILITIES: false,
  SUBTITLES: false,
  VARIABLE_SUBSTITUTION: false,
};

export const hlsDefine: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(FEATURES).map(([name, on]) => [`__USE_${name}__`, String(on)])),
  __IN_WORKER__: "false",
  __HLS_WORKER_BUNDLE__: "undefined",
  __VERSION__: JSON.stringify(version),
};

const NOTHING = "export default undefined;";

/**
 * Left out as whole modules, each replaced by the little that others import of it. Our segments are fragmented MP4, which
 * hls.js appends nearly as it is: it needs none of the demuxers of other containers, no remuxer that builds MP4, and no
 * worker, which would cost a second copy and a message per part. Nothing here is encrypted, carries ID3 or has dated
 * ranges and cues. CMCD: the player's id travels in a header that the page sets itself. No option of ours lets hls.js
 * choose a quality by the size of the picture or by dropped frames, or asks the browser which it would decode smoothly.
 */
const REPLACED: Readonly<Record<string, string>> = {
  "ac3-demuxer": "export class AC3Demuxer {}",
  "cap-level-controller": NOTHING,
  "cmcd-controller": NOTHING,
  "date-range": "export class DateRange { isValid = false; }",
  "fetch-loader": `export const fetchSupported = () => false; ${NOTHING}`,
  "fps-controller": NOTHING,
  "id3-track-controller": "export default class { destroy() {} }",
  "inject-worker":
    "export const hasUMDWorker = () => false; export const injectWorker = () => null; " +
    "export const loadWorker = injectWorker; export const removeWorkerFromStore = injectWorker;",
  "key-loader":
    "export default class { abort() {} detach() {} destroy() {} loadClear() { return null; } " +
    "load() { return Promise.reject(new Error('Encrypted media is not played here.')); } }",
  "mp4-remuxer":
    `const none = () => undefined; ${NOTHING} export const normalizePts = none; ` +
    "export const flushTextTrackMetadataCueSamples = none; export const flushTextTrackUserdataCueSamples = none;",
  "level-key": "export class LevelKey {}",
  "mediacapabilities-helper":
    "export const getUnsupportedResult = (error) => ({ supported: false, error, configurations: [], decodingInfoResults: [] }); " +
    "export const estimatedAudioBitrate = (_codec, bitrate) => bitrate; export const getMediaDecodingInfoPromise = () => undefined; " +
    "export const requiresMediaCapabilitiesDecodingInfo = () => false; " +
    "export const SUPPORTED_INFO_DEFAULT = { supported: true, configurations: [], decodingInfoResults: [] };",
  "timeline-controller": "export const TimelineController = undefined;",
  "transmuxer-worker": NOTHING,
  aacdemuxer: NOTHING,
  cues: NOTHING,
  decrypter: "export default class { destroy() {} reset() {} }",
  mp3demuxer: NOTHING,
  tsdemuxer: NOTHING,
  vttcue: NOTHING,
  vttparser: "export class VTTParser {} export const fixLineBreaks = undefined; export const parseTimeStamp = undefined;",
};

/**
 * Left out of modules that stay: the bodies of these functions, each replaced by the least that its callers need. They
 * read closed captions, events, keys, indexes and byte ranges out of media and playlists, which have none of those here,
 * look for advertisements in between, measure the bandwidth before the first picture, write for the logging that is left
 * out below, answer for a worker, or move a player from one element to another.
 */
const EMPTIED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "audio-track-controller": { setAudioOption: "return null;" },
  "base-stream-controller": {
    filterReplacedPrimary: "return frag;",
    fragInfo: "return '';",
    loadKeyFor: "return null;",
    playlistLabel: "return '';",
    unhandledEncryptionError: "return false;",
  },
  "buffer-controller": { attachTransferred: "", transferMedia: "return null;" },
  "fragment-loader": { getAESAdjustments: "return {};" },
  "gap-controller": { withInterstitialBoundary: "" },
  "level-helper": { mergeDateRanges: "return {};" },
  logger: { enableLogs: "return exportedLogger;" },
  "m3u8-parser": { mapDateRanges: "", parseKey: "return { isSupported: () => false };" },
  "mp4-tools": {
    parseEmsg: "return {};",
    parseSamples: "return [];",
    parseSamplesAndTiming:
      "return { samples: [], sampleData: { includeSampleDetails, tracks: parseSampleData(track.samples, initData, logger, includeSampleDetails) } };",
    parseSEIMessageFromNALu: "",
    parseSegmentIndex: "return null;",
    patchEncyptionData: "",
  },
  mp4demuxer: { extractID3Track: "return this.id3Track;" },
  "stream-controller": { _loadBitrateTestFrag: "" },
  "transmuxer-interface": { onWorkerMessage: "" },
};

/** Packages of hls.js's, by the part of them that it needs. */
const PACKAGES: Readonly<Record<string, string>> = {
  "@svta/cml-id3": "export const utf8ArrayToStr = (bytes) => new TextDecoder().decode(bytes).replaceAll('\\0', '');",
  "@svta/cml-utils": "export const uuid = () => '';",
  "url-toolkit": "export const buildAbsoluteURL = (base, relative) => new URL(relative, base).href;",
};

const LEFT_OUT = "\0left-out:";

export const leaveOutUnused: Plugin = {
  name: "leave-out-unused",
  enforce: "pre",
  resolveId(id, importer) {
    if (!importer?.includes(SOURCES)) return null;
    const name = id.startsWith(".") ? (id.split("/").pop() ?? "") : id;
    return name in (id.startsWith(".") ? REPLACED : PACKAGES) ? LEFT_OUT + name : null;
  },
  load(id) {
    const name = id.startsWith(LEFT_OUT) ? id.slice(LEFT_OUT.length) : "";
    return REPLACED[name] ?? PACKAGES[name] ?? null;
  },
};

interface Node {
  type: string;
  start: number;
  end: number;
  [field: string]: unknown;
}

/** Gives the functions of EMPTIED their new bodies. */
export const leaveOutFunctions: Plugin = {
  name: "leave-out-functions",
  enforce: "post",
  transform(code, id) {
    const emptied = id.includes(SOURCES) ? EMPTIED[id.replace(/^.*\/|\.ts$/g, "")] : undefined;
    if (!emptied) return null;
    const bodies = Object.entries(emptied).map(([name, instead]) => {
      const body = bodyOf(this.parse(code) as unknown as Node, name);
      if (!body) this.error(`${id} has no function ${name} any more; see EMPTIED.`);
      return { ...body, instead };
    });
    let rest = code;
    for (const { start, end, instead } of bodies.sort((one, other) => other.start - one.start)) {
      rest = `${rest.slice(0, start)}{ ${instead} }${rest.slice(end)}`;
    }
    return { code: rest, map: null };
  },
};

/** The body of the function, method or field of that name in `node`. */
function bodyOf(node: Node, name: string): Node | null {
  const named = (node.id ?? node.key) as { name?: unknown } | null | undefined;
  const made = node.type === "FunctionDeclaration" ? node : node.value;
  if (named?.name === name && isNode(made) && isNode(made.body)) return made.body;
  return childrenOf(node).reduce<Node | null>((found, child) => found ?? bodyOf(child, name), null);
}

const LOGS = /^(this\.(log|warn|error)|(this\.|self\.)?(\w+\??\.)*logger\??\.(log|warn|debug|info|error|trace))$/;

/** hls.js says what it does at every step, in sentences that nobody reads here: its logging is off. */
export const leaveOutLogging: Plugin = {
  name: "leave-out-logging",
  enforce: "post",
  transform(code, id) {
    if (!id.includes(SOURCES)) return null;
    let quiet = code;
    // From the end on, so that what is found earlier stays where it is.
    for (const { start, end } of logStatements(code, this.parse(code) as unknown as Node).sort((one, other) => other.start - one.start)) {
      quiet = `${quiet.slice(0, start)};${quiet.slice(end)}`;
    }
    return quiet === code ? null : { code: quiet, map: null };
  },
};

function logStatements(code: string, node: Node): Node[] {
  const expression = node.type === "ExpressionStatement" ? unwrapped(node.expression as Node) : null;
  if (expression?.type === "CallExpression") {
    const callee = expression.callee as Node;
    if (LOGS.test(code.slice(callee.start, callee.end).replace(/\s/g, ""))) return [node];
  }
  return childrenOf(node).flatMap((child) => logStatements(code, child));
}

function childrenOf(node: Node): Node[] {
  return Object.values(node).flat().filter(isNode);
}

function unwrapped(node: Node): Node {
  return node.type === "ChainExpression" ? (node.expression as Node) : node;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}
