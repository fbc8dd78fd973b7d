//! What one request adds to what is known of its conversation: the new messages and the answer.

use serde::{Deserialize, Serialize};

/// A tool that a message calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call; empty where the log has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// Its arguments: mostly JSON text, as the model wrote them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arguments: String,
}

/// One message, redacted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool` or what else the log says.
    pub role: String,
    /// Its text; parts of a list that are no text stand in it as `[image_url]` and the like.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// What the model thought before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// Tools that it calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call a tool's message answers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool_call_id: String,
    /// Whether the log or the bound of a conversation's size cut it off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
}

/// What one request added: stored once, although each later request of the conversation repeats it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Messages of the request that no earlier one of the conversation had, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// What was answered, as a message of the role `assistant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Message>,
}
