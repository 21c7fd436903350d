// A moment as people say it, with the exact one on hover.
import { ago, fullTime, shortTime } from "../format";

interface Props {
  /** As the server tells it. */
  at: string;
  /** The date itself instead of how long ago it is. */
  exact?: boolean;
}

export function Moment({ at, exact = false }: Props) {
  const moment = Date.parse(at);
  return (
    <time dateTime={at} title={fullTime(moment)}>
      {exact ? shortTime(moment) : ago(moment, Date.now())}
    </time>
  );
}
