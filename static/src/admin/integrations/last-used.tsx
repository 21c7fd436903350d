// When something was used last, or that it never was.
import { Moment } from "../../kit/moment";
import { t } from "../../words";

export function LastUsed({ at }: { at: string | null }) {
  return at ? <Moment at={at} /> : <span class="quiet">{t("never")}</span>;
}
