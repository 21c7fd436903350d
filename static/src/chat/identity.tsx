// Who I am in chat: a button with my name, and a dialog to change name and colour.
import { useRef, useState } from "preact/hooks";
import type { User } from "./wire";

const MAX_NAME = 30;
const COLORS = [0, 1, 2, 3, 4, 5, 6, 7];

export function Identity({ me, send }: { me: User; send: (object: Record<string, unknown>) => boolean }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [name, setName] = useState(me.name);
  const [color, setColor] = useState(me.color);

  function open() {
    setName(me.name);
    setColor(me.color);
    dialog.current?.showModal();
  }

  function save(event: Event) {
    event.preventDefault();
    const wanted = name.trim();
    if (wanted && wanted !== me.name) send({ type: "NAME_CHANGE", newName: wanted });
    if (color !== me.color) send({ type: "COLOR_CHANGE", newColor: color });
    dialog.current?.close();
  }

  return (
    <>
      <button type="button" class="chat-me" onClick={open} title="Change your name">
        <span class="chat-name" data-color={me.color}>
          {me.name}
        </span>
      </button>
      <dialog ref={dialog} class="chat-dialog" aria-label="Your name in chat">
        <form onSubmit={save}>
          <label>
            Name
            <input value={name} maxLength={MAX_NAME} required onInput={(event) => setName(event.currentTarget.value)} />
          </label>
          <fieldset>
            <legend>Colour</legend>
            {COLORS.map((each) => (
              <label key={each} class="chat-color" data-color={each}>
                <input
                  type="radio"
                  name="color"
                  checked={each === color}
                  aria-label={`Colour ${each + 1}`}
                  onChange={() => setColor(each)}
                />
              </label>
            ))}
          </fieldset>
          <div class="chat-dialog-buttons">
            <button type="button" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
            <button type="submit" class="chat-send">
              Save
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}
