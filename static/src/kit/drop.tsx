// Where files are chosen, or dropped. Only takes them; what becomes of them is the caller's.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { Button } from "./button";

interface Props {
  /** What stands on the button. */
  label: string;
  /** What may be chosen, as the attribute of a file field has it. */
  accept: string;
  multiple?: boolean;
  onFiles: (files: File[]) => void;
  /** What is taken, and how large it may be. */
  children: ComponentChildren;
}

export function Drop({ label, accept, multiple = false, onFiles, children }: Props) {
  const field = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);

  function take(files: FileList | null | undefined) {
    const found = Array.from(files ?? []);
    if (found.length) onFiles(multiple ? found : found.slice(0, 1));
  }

  return (
    <div
      class="drop"
      data-over={over}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take(event.dataTransfer?.files);
      }}
    >
      <Button onClick={() => field.current?.click()}>{label}</Button>
      <input
        ref={field}
        class="visually-hidden"
        type="file"
        tabIndex={-1}
        aria-hidden="true"
        accept={accept}
        multiple={multiple}
        onChange={(event) => {
          take(event.currentTarget.files);
          // The same file chosen again is a choice, too.
          event.currentTarget.value = "";
        }}
      />
      <div class="field-help">{children}</div>
    </div>
  );
}

/** The file as a data: URL, which is how the API takes pictures. */
export function dataUrl(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error as DOMException);
    reader.readAsDataURL(file);
  });
}
