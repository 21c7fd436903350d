// A still picture where the video will be.
import { useState } from "preact/hooks";

export function Poster({ address }: { address: string | null }) {
  const [loaded, setLoaded] = useState(false);
  if (address === null) return null;
  // Without a still the image stays invisible, and the plain background is the poster.
  return <img class="poster" src={address} alt="" data-loaded={loaded} onLoad={() => setLoaded(true)} />;
}
