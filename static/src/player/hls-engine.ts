// The engine that plays nearly everywhere: hls.js over Media Source Extensions, in low latency mode.
// It decides nothing about retries beyond hls.js's own; what hls.js calls fatal is handed on. Nor does it keep the
// distance from the live edge: it says where playback is and where the stream wants it, and `live-edge` does the rest.
import Hls, { type ErrorData, type HlsConfig, type Level, type PlaylistLoaderContext } from "hls.js";
import { bitrate } from "../format";
import { takeEarly } from "./early-playlist";
import { AUTOMATIC, type Engine, type EngineEvents, type Quality, type Trouble } from "./engine";
import { type LatencyMode, MANNERS } from "./latency-mode";
import { recallBandwidth } from "./preferences";
import { SESSION_HEADER, sessionFields } from "./session";

const OPTIONS = {
  // Both are done in `live-edge`: hls.js's own catching up goes by steps of a twentieth, which can be heard.
  maxLiveSyncPlaybackRate: 1,
  liveSyncOnStallIncrease: 0,
  testBandwidth: false,
  backBufferLength: 30,
  enableWorker: false,
} as const;

/** Within so many target latencies of the edge it is worth catching up; beyond, the viewer chose to be behind. */
const CATCH_UP_LATENCIES = 2;
const DEFAULT_BEHIND_SECONDS = 12;

const UNSUPPORTED: ReadonlySet<string> = new Set([
  Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR,
  Hls.ErrorDetails.BUFFER_ADD_CODEC_ERROR,
  Hls.ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR,
]);

export function isSupported(): boolean {
  return Hls.isSupported();
}

type PlaylistLoader = InstanceType<NonNullable<HlsConfig["pLoader"]>>;
type Load = PlaylistLoader["load"];
const Loader = Hls.DefaultConfig.loader as unknown as new (config: HlsConfig) => PlaylistLoader;

/** hls.js's loader, which takes the multivariant playlist from whoever has asked for it already. */
class EarlyLoader extends Loader {
  private gone = false;

  override load(...asked: Parameters<Load>): void {
    const [context, , callbacks] = asked;
    const early = context.type === ("manifest" as PlaylistLoaderContext["type"]) ? takeEarly(context.url) : null;
    if (!early) return super.load(...asked);
    const { loading } = this.stats;
    const start = performance.now();
    early.then(
      (data) => {
        if (this.gone) return;
        Object.assign(loading, { start, first: start, end: performance.now() });
        callbacks.onSuccess({ url: context.url, data, code: 200 }, this.stats, context, null);
      },
      () => this.gone || super.load(...asked),
    );
  }

  override abort(): void {
    this.gone = true;
    super.abort();
  }

  override destroy(): void {
    this.gone = true;
    super.destroy();
  }
}

export class HlsEngine implements Engine {
  readonly name = `hls.js ${Hls.version}`;
  private readonly hls: Hls;
  private share = 1;
  private stallCount = 0;
  private download = 0;

  constructor(
    private readonly video: HTMLVideoElement,
    events: EngineEvents,
    mode: LatencyMode,
  ) {
    const bandwidth = recallBandwidth();
    this.hls = new Hls({
      ...OPTIONS,
      ...(bandwidth && { abrEwmaDefaultEstimate: bandwidth }),
      pLoader: EarlyLoader,
      xhrSetup: (request) => request.setRequestHeader(SESSION_HEADER, sessionFields),
    });
    this.setMode(mode);
    this.hls.on(Hls.Events.MANIFEST_PARSED, () => events.qualities());
    this.hls.on(Hls.Events.LEVEL_SWITCHED, () => events.qualities());
    this.hls.on(Hls.Events.FRAG_BUFFERED, (_event, { stats }) => {
      this.download = (stats.loading.end - stats.loading.first) / 1_000;
    });
    this.hls.on(Hls.Events.ERROR, (_event, data) => {
      if (data.details === Hls.ErrorDetails.BUFFER_STALLED_ERROR) this.stallCount += 1;
      if (data.fatal) events.trouble(troubleOf(data));
    });
    this.hls.attachMedia(video);
  }

  load(url: string): void {
    this.hls.loadSource(new URL(url, location.href).href);
  }

  repair(): boolean {
    this.hls.recoverMediaError();
    return true;
  }

  destroy(): void {
    this.hls.destroy();
  }

  qualities(): readonly Quality[] {
    const labels = this.hls.levels.map(labelOf);
    return this.hls.levels.map((level, id) => {
      const label = labels[id] ?? "";
      const alone = labels.indexOf(label) === labels.lastIndexOf(label);
      return { id, height: level.height, label: alone ? label : `${label} · ${bitrate(level.bitrate / 1_000)}` };
    });
  }

  playing(): number {
    return this.hls.currentLevel;
  }

  selected(): number {
    return this.hls.autoLevelEnabled ? AUTOMATIC : this.hls.loadLevel;
  }

  select(id: number): void {
    // Not currentLevel or nextLevel: those drop what is buffered, and at the live edge that is a stall.
    this.hls.loadLevel = id;
  }

  setMode(mode: LatencyMode): void {
    this.hls.lowLatencyMode = MANNERS[mode].lowLatency;
    this.share = MANNERS[mode].share;
  }

  latency(): number | null {
    // Not hls.latency, which is of the last time that the position was told, and after a seek that was another one.
    const details = this.hls.latestLevelDetails;
    return details?.live ? Math.max(0, details.edge + details.age - this.video.currentTime) : null;
  }

  base(): number | null {
    const target = this.hls.targetLatency;
    return target === null ? null : target * (this.lowLatency() ? this.share : 1);
  }

  positionAt(latency: number | null): number | null {
    const { liveSyncPosition, targetLatency, latestLevelDetails: details } = this.hls;
    if (liveSyncPosition === null || targetLatency === null || !details) return null;
    const part = (this.lowLatency() && details.partTarget) || details.targetduration;
    return Math.min(liveSyncPosition + targetLatency - (latency ?? targetLatency), details.edge - part);
  }

  behindAfter(target: number | null): number {
    const details = this.hls.latestLevelDetails;
    return target === null || !details ? DEFAULT_BEHIND_SECONDS : target * CATCH_UP_LATENCIES + details.targetduration;
  }

  lowLatency(): boolean {
    return this.hls.lowLatencyMode && (this.hls.latestLevelDetails?.partTarget ?? 0) > 0;
  }

  stalls(): number {
    return this.stallCount;
  }

  throughput(): { bandwidth: number; download: number } {
    return { bandwidth: Math.round(this.hls.bandwidthEstimate / 1_000), download: this.download };
  }
}

function troubleOf(data: ErrorData): Trouble {
  const detail = [data.details, data.response?.code, data.reason ?? data.error?.message].filter(Boolean).join(" ");
  if (UNSUPPORTED.has(data.details)) return { kind: "unsupported", detail };
  return { kind: data.type === Hls.ErrorTypes.MEDIA_ERROR ? "media" : "network", detail };
}

function labelOf(level: Level): string {
  const rate = Math.round(level.frameRate);
  const size = level.height ? `${level.height}p${rate > 30 ? rate : ""}` : "";
  const bits = bitrate(level.bitrate / 1_000);
  // NAME is the owner's word for the variant; it often repeats the height.
  const name = level.name && !level.name.includes(String(level.height || bits)) ? level.name : "";
  return [name, size].filter(Boolean).join(" · ") || bits;
}
