/** The model of LangChain's agents: the same client and the same request as on the other sides. */
import { BaseChatModel } from '@langchain/core/language_models/chat_models';
import { convertToOpenAITool } from '@langchain/core/utils/function_calling';
import { createModel } from './model.mjs';
import { fromWire, toWire } from './wire.mjs';

export class BenchChatModel extends BaseChatModel {
  constructor({ modelUrl, tools = [] }) {
    super({});
    this.modelUrl = modelUrl;
    this.ask = createModel(modelUrl, tools);
  }

  _llmType() {
    return 'bench';
  }

  bindTools(tools) {
    return new BenchChatModel({
      modelUrl: this.modelUrl,
      tools: tools.map((each) => convertToOpenAITool(each)),
    });
  }

  async _generate(messages) {
    const message = fromWire(await this.ask(messages.map(toWire)));
    return { generations: [{ text: message.content, message }] };
  }
}
