// The statistics over the picture, for those who want to know how playback goes. Renewed every second.
import { useEffect, useState } from "preact/hooks";
import { bitrate } from "../format";
import { Icon } from "../kit/icon";
import { number, t } from "../words";
import type { Playback } from "./playback";

const RENEW_MS = 1_000;
const NONE = "–";

interface Props {
  playback: Playback;
  video: HTMLVideoElement;
  onClose: () => void;
}

export function Stats({ playback, video, onClose }: Props) {
  const [rows, setRows] = useState(() => read(playback, video));
  useEffect(() => {
    const timer = setInterval(() => setRows(read(playback, video)), RENEW_MS);
    return () => clearInterval(timer);
  }, [playback, video]);
  return (
    <aside class="stats" aria-label={t("stats")}>
      <button type="button" class="control" aria-label={t("close")} onClick={onClose}>
        <Icon name="close" />
      </button>
      <dl>
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </aside>
  );
}

function read(playback: Playback, video: HTMLVideoElement): Array<[string, string]> {
  const { latency, qualities, quality } = playback.snapshot();
  const { bandwidth } = playback.throughput();
  const frames = video.getVideoPlaybackQuality();
  const size = video.videoWidth ? `${video.videoWidth} × ${video.videoHeight}` : NONE;
  const target = playback.target();
  return [
    [t("stats.latency"), latency === null ? NONE : target === null ? seconds(latency) : t("stats.ofTarget", { seconds: seconds(latency), target: seconds(target) })],
    [t("stats.buffer"), seconds(playback.bufferedAhead())],
    [t("stats.dropped"), t("stats.ofFrames", { dropped: frames.droppedVideoFrames, total: frames.totalVideoFrames })],
    [t("stats.variant"), [qualities.find(({ id }) => id === quality)?.label, size].filter(Boolean).join(", ")],
    [t("stats.bandwidth"), bandwidth > 0 ? bitrate(bandwidth) : NONE],
    [t("stats.stalls"), number(playback.stalls())],
    [t("stats.speed"), `${number(Math.round(video.playbackRate * 100))} %`],
    [t("stats.player"), [playback.engineName(), playback.lowLatency() && t("stats.lowLatency")].filter(Boolean).join(", ")],
  ];
}

function seconds(value: number): string {
  return `${number(Math.round(value * 100) / 100)} s`;
}
