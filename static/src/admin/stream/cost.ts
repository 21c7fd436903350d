// What a variant costs: this machine, in cores, from the speed that the server measured; a viewer, in bytes. Pure.
import type { Schemas } from "../../api/client";

type Quality = Schemas["QualityView"];
type Encoders = Schemas["EncodersView"];

const SOFTWARE = "libx264";
/** What is assumed of a source that nobody has described: what is most often sent. */
const USUAL = { width: 1920, height: 1080, framerate: 30, audioBitrate: 160 };
const BYTES_A_KILOBIT = 125;
const SECONDS_AN_HOUR = 3_600;

/** Cores that encoding this variant keeps busy; 0 for one that is passed through, null where it is not known. */
export function cores(variant: Quality, encoders: Encoders): number | null {
  if (variant.videoPassthrough) return 0;
  if (encoders.inUse !== SOFTWARE || encoders.pixelsPerSecond === 0) return null;
  const height = variant.scaledHeight || (variant.scaledWidth ? (variant.scaledWidth * USUAL.height) / USUAL.width : USUAL.height);
  const width = variant.scaledWidth || (height * USUAL.width) / USUAL.height;
  const rate = variant.framerate || USUAL.framerate;
  return (width * height * rate * encoders.cores) / encoders.pixelsPerSecond;
}

/** Bytes that an hour of this variant is for a viewer; null where the source or the server decides that. */
export function bytesAnHour({ videoPassthrough, videoBitrate, audioPassthrough, audioBitrate }: Quality): number | null {
  if (videoPassthrough || videoBitrate === 0) return null;
  return (videoBitrate + (audioPassthrough ? USUAL.audioBitrate : audioBitrate)) * BYTES_A_KILOBIT * SECONDS_AN_HOUR;
}
