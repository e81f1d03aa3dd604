import { Input, Skeleton } from "@mantine/core";
import { type ComponentType, lazy, type ReactNode, Suspense } from "react";

const INPUT_HEIGHT = 36;

interface Labelled {
  label?: ReactNode;
  description?: ReactNode;
}

/** Make an input that is loaded after the page around it. Until then its label and an empty field of its size stand there. */
export function inputLater<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  const Loaded = lazy(() => load().then((it) => ({ default: it }))) as unknown as ComponentType<Props>;
  return function Later(props: Props) {
    const { label, description } = props as Labelled;
    return (
      <Suspense fallback={<Input.Wrapper label={label} description={description}><Skeleton h={INPUT_HEIGHT} /></Input.Wrapper>}>
        <Loaded {...props} />
      </Suspense>
    );
  };
}
