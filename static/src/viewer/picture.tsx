// A small picture of the owner's beside words that say the same. Where it does not load, the words stand alone.
import { useState } from "preact/hooks";

interface Props {
  address: string;
  class?: string;
}

export function Picture({ address, class: name = "" }: Props) {
  const [missing, setMissing] = useState("");
  if (!address || missing === address) return null;
  return <img class={name} src={address} alt="" referrerpolicy="no-referrer" onError={() => setMissing(address)} />;
}
