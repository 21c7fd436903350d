// The engine that plays nearly everywhere: hls.js over Media Source Extensions, in low latency mode.
// It decides nothing about retries beyond hls.js's own; what hls.js calls fatal is handed on.
import Hls, { type ErrorData, type Level } from "hls.js";
import { SESSION_HEADER, sessionFields } from "../api";
import { AUTOMATIC, type Engine, type EngineEvents, type Quality, type Trouble } from "./engine";

const OPTIONS = {
  lowLatencyMode: true,
  // At 1 the delay of the start is never made up for; hls.js approaches this smoothly and only near the edge.
  maxLiveSyncPlaybackRate: 1.5,
  testBandwidth: false,
  backBufferLength: 30,
  enableWorker: false,
} as const;

/** hls.js speeds playback up within this many target latencies of the edge; beyond it the viewer chose to be behind. */
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

export class HlsEngine implements Engine {
  private readonly hls: Hls;
  private stallCount = 0;
  private download = 0;

  constructor(video: HTMLVideoElement, events: EngineEvents) {
    this.hls = new Hls({
      ...OPTIONS,
      xhrSetup: (request) => request.setRequestHeader(SESSION_HEADER, sessionFields),
    });
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
    this.hls.loadSource(url);
  }

  repair(): boolean {
    this.hls.recoverMediaError();
    return true;
  }

  destroy(): void {
    this.hls.destroy();
  }

  qualities(): readonly Quality[] {
    return this.hls.levels.map((level, id) => ({ id, height: level.height, label: labelOf(level) }));
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

  latency(): number | null {
    return this.hls.latestLevelDetails?.live ? this.hls.latency : null;
  }

  livePosition(): number | null {
    return this.hls.liveSyncPosition;
  }

  behindAfter(): number {
    const target = this.hls.targetLatency;
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
  const bits = level.bitrate >= 1e6 ? `${(level.bitrate / 1e6).toFixed(1)} Mb/s` : `${Math.round(level.bitrate / 1e3)} kb/s`;
  // NAME is the owner's word for the variant; it often repeats the height.
  const name = level.name && !level.name.includes(String(level.height || bits)) ? level.name : "";
  return [name, size].filter(Boolean).join(" · ") || bits;
}
