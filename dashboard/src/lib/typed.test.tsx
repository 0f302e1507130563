import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useRef } from "react";
import { expect, it } from "vitest";
import { useTyped } from "./typed";

function Field({ value, send }: { readonly value: string; readonly send: (value: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  const [text, change] = useTyped(value, send, field);
  return <input aria-label="Find" ref={field} value={text} onChange={(event) => change(event.target.value)} />;
}

it("no letter is lost while the address lags behind", async () => {
  const sent: string[] = [];
  const { rerender } = render(<Field value="" send={(value) => sent.push(value)} />);
  await userEvent.type(screen.getByLabelText("Find"), "refund");
  rerender(<Field value="re" send={(value) => sent.push(value)} />); // an old address arrives late
  expect(screen.getByLabelText<HTMLInputElement>("Find").value).toBe("refund");
  expect(sent.at(-1)).toBe("refund");
});

it("follows the address when nobody types", () => {
  const { rerender } = render(<Field value="a" send={() => undefined} />);
  rerender(<Field value="b" send={() => undefined} />);
  expect(screen.getByLabelText<HTMLInputElement>("Find").value).toBe("b");
});
