// The ways by which notifications go out, in words.
import { t } from "../../words";

const CHANNELS = ["webhook", "discord", "webpush", "email"] as const;

interface Way {
  deliveryMethod: "push" | "pull";
  deliveryChannel: string;
}

export function channelName({ deliveryMethod, deliveryChannel }: Way): string {
  if (deliveryMethod === "pull") return t("channel.pull");
  const known = CHANNELS.find((each) => each === deliveryChannel);
  return known ? t(`channel.${known}`) : deliveryChannel;
}
