import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { Button, OutLink, StatusBadge, Untrusted } from "./ui";

it("a button that is not possible now keeps the focus, says why, and does nothing", async () => {
  let pressed = 0;
  render(
    <Button blocked="This needs the role operator." onClick={() => (pressed += 1)}>
      Start
    </Button>,
  );
  const button = screen.getByRole("button", { name: /not possible: This needs the role operator/ });
  await userEvent.tab();
  expect(document.activeElement).toBe(button);
  await userEvent.click(button);
  await userEvent.keyboard("{Enter}");
  expect(pressed).toBe(0);
});

it("a status is a word, not only a colour", () => {
  render(<StatusBadge status="needs_review" />);
  expect(screen.getByText(/Needs review/)).toBeTruthy();
});

it("an address that came with data becomes a link only when it leads to the web", () => {
  render(
    <>
      <OutLink href="javascript:alert(1)">bad</OutLink>
      <OutLink href="https://example.com/pull/1">good</OutLink>
    </>,
  );
  expect(screen.getAllByRole("link").map((link) => link.getAttribute("href"))).toEqual(["https://example.com/pull/1"]);
});

it("text of strangers stays text", () => {
  const { container } = render(<Untrusted text={'<img src=x onerror="alert(1)">\u202e'} />);
  expect(container.querySelector("img")).toBeNull();
  expect(container.textContent).toContain("U+202E");
});
