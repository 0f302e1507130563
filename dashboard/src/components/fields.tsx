import type { ReactNode } from "react";

interface TextProps extends Omit<React.InputHTMLAttributes<HTMLInputElement>, "onChange" | "value"> {
  readonly label: string;
  readonly value: string;
  readonly set: (value: string) => void;
  readonly children?: ReactNode;
}

/** A line of text or a number, under its label; children say more about it. */
export function Text({ label, set, children, ...rest }: TextProps) {
  return (
    <label className="field">
      {label}
      <input
        {...rest}
        onChange={(event) => {
          set(event.target.value);
        }}
      />
      {children ? <span className="small muted">{children}</span> : null}
    </label>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly set: (value: string) => void;
  /** What it means to choose nothing, where that is possible. */
  readonly none?: string;
  readonly options: readonly (readonly [value: string, label: string])[];
}

/** One of a few. */
export function Choice({ label, value, set, none, options }: ChoiceProps) {
  return (
    <label className="field">
      {label}
      <select
        value={value}
        onChange={(event) => {
          set(event.target.value);
        }}
      >
        {none === undefined ? null : <option value="">{none}</option>}
        {options.map(([one, name]) => (
          <option key={one} value={one}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
