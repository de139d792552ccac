import { connect } from "node:net";

/**
 * Sends lines to an SMTP server, each after the reply to the previous one. Returns
 * the last line of each reply. `from` is the address of the client in 127.0.0.0/8.
 */
export async function smtp(
  port: number,
  from: string,
  lines: readonly string[],
): Promise<string[]> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: from });
  const answers: string[] = [];
  let text = "";
  try {
    for await (const chunk of socket) {
      text += chunk;
      for (let end; (end = text.indexOf("\r\n")) >= 0;) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        if (/^\d{3}-/.test(line)) continue;
        answers.push(line);
        if (answers.length > lines.length) return answers;
        socket.write(`${lines[answers.length - 1]}\r\n`);
      }
    }
    return answers;
  } finally {
    socket.destroy();
  }
}
