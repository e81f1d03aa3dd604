import { Button, Grid, Group, Paper, Stack, Textarea } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { useState } from "react";
import { changed } from "../../../shared/url/search";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { ChatSettings, type Settings } from "../parts/ChatSettings";
import { CopyAs } from "../parts/CopyAs";
import { Exchange } from "../parts/Exchange";
import { NothingAsked } from "../parts/NothingAsked";
import { messagesToCopy, useChat } from "../useChat";

const route = getRouteApi("/playground");

export function PlaygroundPage() {
  const { token, model } = route.useSearch();
  const navigate = route.useNavigate();
  const [settings, setSettings] = useState<Settings>({ system: "", temperature: undefined, maxTokens: undefined });
  const [question, setQuestion] = useState("");
  const chat = useChat();
  const put = (change: { token?: string | undefined; model?: string | undefined }) =>
    void navigate({ search: (old) => changed(old, change), replace: true });
  const ready = token !== undefined && model !== undefined && question.trim() !== "" && !chat.busy;
  const send = () => {
    if (!ready) return;
    setQuestion("");
    void chat.ask(question, { token, model, temperature: settings.temperature, maxTokens: settings.maxTokens }, settings.system);
  };
  return (
    <Stack>
      <PageHeader
        title="Playground"
        description="A chat through the gateway, as one of its tokens: routed, limited and counted as any other call."
        actions={
          <>
            {chat.turns.length > 0 && <Button variant="default" size="xs" onClick={chat.clear}>New conversation</Button>}
            {model !== undefined && (
              <CopyAs
                request={{
                  model,
                  messages: messagesToCopy(chat.turns, question, settings.system),
                  temperature: settings.temperature,
                  maxTokens: settings.maxTokens,
                }}
              />
            )}
          </>
        }
      />
      <Grid>
        <Grid.Col span={{ base: 12, md: 4 }} order={{ base: 1, md: 2 }}>
          <Paper withBorder p="md" component="section" aria-label="Settings of the chat">
            <ChatSettings
              token={token}
              model={model}
              settings={settings}
              onToken={(it) => put({ token: it })}
              onModel={(it) => put({ model: it })}
              onSettings={setSettings}
            />
          </Paper>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 8 }} order={{ base: 2, md: 1 }}>
          <Stack>
            <Stack role="log" aria-label="Conversation" aria-busy={chat.busy}>
              {chat.turns.length === 0 && <NothingAsked hasToken={token !== undefined} />}
              {chat.turns.map((turn, index) => (
                <Exchange key={index} turn={turn} running={chat.busy && index === chat.turns.length - 1} />
              ))}
            </Stack>
            <form onSubmit={(event) => { event.preventDefault(); send(); }}>
              <Stack gap="xs">
                <Textarea
                  label="Message"
                  description="Enter sends, Shift and Enter begin a new line"
                  autosize
                  minRows={2}
                  maxRows={12}
                  value={question}
                  onChange={(event) => setQuestion(event.currentTarget.value)}
                  onKeyDown={(event) => {
                    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
                      event.preventDefault();
                      send();
                    }
                  }}
                />
                <Group justify="end">
                  {chat.busy ? (
                    <Button color="red" variant="light" onClick={chat.stop}>Stop</Button>
                  ) : (
                    <Button type="submit" disabled={!ready}>Send</Button>
                  )}
                </Group>
              </Stack>
            </form>
          </Stack>
        </Grid.Col>
      </Grid>
    </Stack>
  );
}
