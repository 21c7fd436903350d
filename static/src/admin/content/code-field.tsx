// A field for code. Tab indents in it; Escape and then Tab leads out of it, as its help says.
import { useRef } from "preact/hooks";
import { Field } from "../../kit/field";
import { t } from "../../words";

const ROWS = 12;
const INDENT = "  ";

interface Props {
  label: string;
  help: string;
  value: string;
  onChange: (value: string) => void;
  error?: string;
}

export function CodeField({ label, help, value, onChange, error }: Props) {
  const leaving = useRef(false);

  function onKey(event: KeyboardEvent) {
    const field = event.currentTarget as HTMLTextAreaElement;
    if (event.key === "Tab" && !event.shiftKey && !event.altKey && !event.ctrlKey && !leaving.current) {
      event.preventDefault();
      // The old way is the one that the browser can take back.
      if (!document.execCommand("insertText", false, INDENT)) {
        field.setRangeText(INDENT, field.selectionStart, field.selectionEnd, "end");
        onChange(field.value);
      }
    }
    leaving.current = event.key === "Escape" || (leaving.current && event.key === "Shift");
  }

  return (
    <Field label={label} help={`${help} ${t("looks.tab")}`} {...(error !== undefined && { error })}>
      {(ties) => (
        <textarea
          class="input"
          data-code="true"
          spellcheck={false}
          autocapitalize="off"
          rows={ROWS}
          value={value}
          onInput={(event) => onChange(event.currentTarget.value)}
          onKeyDown={onKey}
          onBlur={() => (leaving.current = false)}
          {...ties}
        />
      )}
    </Field>
  );
}
