import { useEffect, useState, type RefObject } from "react";

/**
 * The text of a field whose value lives in the address. The address follows in transitions, later than a person types:
 * a field that showed the address would lose letters. It is taken over only while nobody types.
 */
export function useTyped(
  value: string,
  send: (value: string) => void,
  field: RefObject<HTMLInputElement | null>,
): readonly [text: string, change: (text: string) => void] {
  const [text, setText] = useState(value);
  useEffect(() => {
    if (document.activeElement !== field.current) setText(value);
  }, [value, field]);
  return [
    text,
    (next) => {
      setText(next);
      send(next);
    },
  ];
}
